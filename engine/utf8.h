// UTF-8, strictly: no overlong forms, no surrogates, nothing past U+10FFFF.
#pragma once

#include <cstddef>
#include <string_view>

namespace feat {

// How many bytes of `text` are valid, from its start; its size if all are.
size_t valid_utf8_prefix(std::string_view text);

// Whether all of it is.
bool valid_utf8(std::string_view text);

}  // namespace feat
