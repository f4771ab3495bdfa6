#include "engine/request_keys.h"

#include <algorithm>

#include "engine/utf8.h"

namespace feat {

namespace {

constexpr size_t kUsualText = 8;         // bytes of a key, at least
constexpr size_t kMostExpected = 4'096;  // keys that room is taken for before there are any

enum WireType : uint32_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

// A message's fields, one after the other. False: there is no such thing there.
class Fields {
 public:
  explicit Fields(std::string_view message) : left_(message) {}

  bool at_end() const { return left_.empty(); }
  const char* at() const { return left_.data(); }
  size_t size() const { return left_.size(); }

  bool varint(uint64_t& value) {
    value = 0;
    for (size_t i = 0; i < std::min<size_t>(left_.size(), 10); ++i) {
      const auto byte = static_cast<uint8_t>(left_[i]);
      if (i == 9 && byte > 1) return false;
      value |= uint64_t{byte & 0x7Fu} << (7 * i);
      if (byte < 0x80) {
        left_.remove_prefix(i + 1);
        return true;
      }
    }
    return false;
  }
  bool tag(uint32_t& field, uint32_t& type) {
    uint64_t value;
    if (!varint(value) || value > UINT32_MAX) return false;
    field = static_cast<uint32_t>(value >> 3);
    type = static_cast<uint32_t>(value & 7);
    return field != 0;
  }
  // This field, of type bytes.
  bool bytes_of(uint32_t field, std::string_view& value) {
    uint32_t found, type;
    return tag(found, type) && found == field && type == kBytes && bytes(value);
  }
  bool bytes(std::string_view& value) {
    uint64_t size;
    if (!varint(size)) return false;
    return piece(size, value);
  }
  bool skip(uint32_t type) {
    uint64_t number;
    std::string_view passed;
    switch (type) {
      case kVarint:
        return varint(number);
      case kFixed64:
        return piece(8, passed);
      case kFixed32:
        return piece(4, passed);
      case kBytes:
        return bytes(passed);
      default:
        return false;
    }
  }

 private:
  bool piece(uint64_t size, std::string_view& value) {
    if (size > left_.size()) return false;
    value = left_.substr(0, size);
    left_.remove_prefix(size);
    return true;
  }
  std::string_view left_;
};

// Integers { repeated int64 values = 1; }
bool read_integers(std::string_view message, Keys& keys) {
  Fields fields(message);
  std::string_view packed;
  if (!fields.bytes_of(1, packed) || !fields.at_end()) return false;
  for (Fields values(packed); !values.at_end();) {
    uint64_t value;
    if (!values.varint(value)) return false;
    keys.add(static_cast<int64_t>(value));
  }
  return true;
}

// Strings { repeated string values = 1; }
bool read_strings(std::string_view message, Keys& keys) {
  keys.reserve(std::min(message.size() / kUsualText, kMostExpected), message.size());
  for (Fields fields(message); !fields.at_end();) {
    std::string_view text;
    if (!fields.bytes_of(1, text)) return false;
    keys.add(text);
  }
  return keys.texts_are_valid();
}

// An entry { string key = 1; Keys { oneof of { Integers integers = 1; Strings strings = 2; } } value = 2; }
bool read_entry(std::string_view message, RequestKeys& found) {
  Fields fields(message);
  std::string_view name, value, list;
  if (!fields.bytes_of(1, name) || !fields.bytes_of(2, value) || !fields.at_end()) return false;
  if (!valid_utf8(name)) return false;
  for (const auto& [other, keys] : found.by_entity) {
    if (other == name) return false;
  }
  Keys& keys = found.by_entity.emplace_back(name, Keys()).second;
  Fields of(value);
  uint32_t field, type;
  if (!of.tag(field, type) || type != kBytes || !of.bytes(list) || !of.at_end() || list.empty()) return false;
  return field == 1 ? read_integers(list, keys) : field == 2 && read_strings(list, keys);
}

}  // namespace

std::optional<RequestKeys> read_request_keys(std::string_view message, uint32_t field) {
  RequestKeys found;
  Fields fields(message);
  while (!fields.at_end()) {
    const char* start = fields.at();
    uint32_t number, type;
    if (!fields.tag(number, type)) return std::nullopt;
    if (number != field) {
      if (!fields.skip(type)) return std::nullopt;
      found.rest.append(start, fields.at());
      continue;
    }
    std::string_view entry;
    if (type != kBytes || !fields.bytes(entry) || !read_entry(entry, found)) return std::nullopt;
  }
  return found;
}

}  // namespace feat
