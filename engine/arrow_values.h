// The values of Arrow arrays, given to sinks. Every layout of strings, lists, dictionaries and times is read as
// it is; what an array says of offsets, lengths and indices is checked before it is followed. How long its
// buffers are an array does not say: whoever hands it over vouches for that (`pyarrow`'s `validate()`).
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "engine/arrow.h"
#include "engine/row_sink.h"

namespace feat {

// One array, and the sink that its values go to. `emit(i)` gives value i, counted from the array's own offset.
class Values {
 public:
  Values(const ArrowArray& array, Sink& sink) : array_(array), sink_(sink) {
    if (array.length < 0 || array.offset < 0 || array.length > std::numeric_limits<int64_t>::max() - array.offset - 1) {
      broken("a length or offset is negative");
    }
  }
  virtual ~Values() = default;
  void emit(int64_t i) {
    if (is_null(i)) {
      sink_.null();
    } else {
      value(i + array_.offset);
    }
  }
  bool is_null(int64_t i) const {
    if (always_null_) return true;
    const auto* bits = static_cast<const uint8_t*>(array_.n_buffers > 0 ? array_.buffers[0] : nullptr);
    if (bits == nullptr || array_.null_count == 0) return false;
    const int64_t at = i + array_.offset;
    return (bits[at >> 3] >> (at & 7) & 1) == 0;
  }
  int64_t length() const { return array_.length; }

 protected:
  // The value at a position of the buffers.
  virtual void value(int64_t at) = 0;
  [[noreturn]] void broken(const char* what) const {
    throw EngineError("the array for `" + sink_.name() + "` is broken: " + what);
  }
  // A buffer; there is none only where there are no values.
  template <class T>
  const T* buffer(int64_t index) {
    if (array_.n_buffers <= index || array_.buffers == nullptr) broken("a buffer is missing");
    const auto* data = static_cast<const T*>(array_.buffers[index]);
    if (data == nullptr && array_.length > 0) {
      if (array_.null_count != array_.length) broken("a buffer is missing");
      always_null_ = true;
    }
    return data;
  }

  const ArrowArray& array_;
  Sink& sink_;
  bool always_null_ = false;
};

// What gives the range of a list's elements.
class Lists : public Values {
 public:
  Lists(const ArrowArray& array, Sink& sink, std::unique_ptr<Values> items)
      : Values(array, sink), items_(std::move(items)) {}

  struct Range {
    int64_t start, end;
  };
  // Of a value that is not null.
  Range range(int64_t i) const { return checked_range(i + array_.offset); }
  Values& items() { return *items_; }

 protected:
  virtual Range stored_range(int64_t at) const = 0;
  Range checked_range(int64_t at) const {
    const Range range = stored_range(at);
    if (range.start < 0 || range.end < range.start || range.end > items_->length()) {
      broken("a list lies outside of its elements");
    }
    return range;
  }
  void value(int64_t at) override {
    const Range range = checked_range(at);
    sink_.begin_list();
    for (int64_t i = range.start; i < range.end; ++i) {
      items_->emit(i);
      sink_.end_item();
    }
    sink_.end_list();
  }

 private:
  std::unique_ptr<Values> items_;
};

// A struct; fields that the sink does not want are not looked at.
class Structs final : public Values {
 public:
  Structs(const ArrowSchema& schema, const ArrowArray& array, Sink& sink, int depth) : Values(array, sink) {
    always_null_ = ArrowColumn::of(schema, array, sink.name()).format() == "n";
    for (int64_t i = 0; i < schema.n_children; ++i) {
      if (schema.children[i] == nullptr) broken("a child is missing");
      const ArrowSchema& child = *schema.children[i];
      const int member = sink.member_index(child.name == nullptr ? "" : child.name);
      if (member >= 0) add(child, i, member, depth);
    }
  }
  // An entry of a map: the first child is the key, the second the value, whatever their names.
  static std::unique_ptr<Structs> entry(const ArrowSchema& schema, const ArrowArray& array, Sink& sink, int depth) {
    std::unique_ptr<Structs> entry(new Structs(array, sink));
    ArrowColumn::of(schema, array, sink.name());
    if (schema.n_children != 2 || schema.children[0] == nullptr || schema.children[1] == nullptr) {
      entry->broken("a map's entry has not two children");
    }
    for (int i = 0; i < 2; ++i) entry->add(*schema.children[i], i, i, depth);
    return entry;
  }

  struct Member {
    int index;
    std::unique_ptr<Values> values;
  };
  std::vector<Member>& members() { return members_; }
  int64_t offset() const { return array_.offset; }

 protected:
  void value(int64_t at) override {
    sink_.begin_struct();
    for (Member& member : members_) member.values->emit(at);
    sink_.end_struct();
  }

 private:
  Structs(const ArrowArray& array, Sink& sink) : Values(array, sink) {}
  void add(const ArrowSchema& schema, int64_t child, int member, int depth);

  std::vector<Member> members_;
};

// The values of an array for a sink. Errors: EngineError if the sink takes no such values, or the array is broken.
std::unique_ptr<Values> make_values(const ArrowSchema& schema, const ArrowArray& array, Sink& sink, int depth);

// A list array of any layout, around the values of its elements.
std::unique_ptr<Lists> make_lists(const ArrowSchema& schema, const ArrowArray& array, Sink& sink,
                                  std::unique_ptr<Values> values);
// Errors: EngineError for a list array without an array of elements.
void check_elements(const ArrowSchema& schema, const ArrowArray& array, const Sink& sink);

// The name of an Arrow type, for messages.
std::string shown(std::string_view format);

}  // namespace feat
