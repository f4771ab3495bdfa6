// Memory that the system may give in pages of 2 MiB: a large table read here and there, or one written from end to end,
// then costs no search for its pages.
#pragma once

#include <cstddef>
#include <memory>

namespace feat {

// Bytes, not initialized, from an address that is a multiple of 64.
class HugePages {
 public:
  HugePages() = default;
  // Errors: std::bad_alloc.
  explicit HugePages(size_t bytes);
  std::byte* data() const { return memory_.get(); }

 private:
  struct Free {
    size_t alignment;
    void operator()(std::byte* memory) const;
  };
  std::unique_ptr<std::byte, Free> memory_{nullptr, Free{}};
};

}  // namespace feat
