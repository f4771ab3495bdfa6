#include "engine/huge_pages.h"

#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace feat {

namespace {
constexpr size_t kPage = size_t{2} << 20;
constexpr size_t kWorthIt = kPage / 4;  // from here on, small blocks are made a page
}  // namespace

HugePages::HugePages(size_t bytes) {
  const bool huge = bytes >= kWorthIt;
  const size_t alignment = huge ? kPage : 64;
  if (huge) bytes = (bytes + kPage - 1) / kPage * kPage;
  memory_ = {static_cast<std::byte*>(::operator new(bytes, std::align_val_t{alignment})), Free{alignment}};
#if defined(__linux__)
  if (huge) madvise(memory_.get(), bytes, MADV_HUGEPAGE);  // where it is refused, plain pages do
#endif
}

void HugePages::Free::operator()(std::byte* memory) const { ::operator delete(memory, std::align_val_t{alignment}); }

}  // namespace feat
