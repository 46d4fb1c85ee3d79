// SPDX-License-Identifier: MIT
#include "daemon/legacy/json_fields.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>

namespace xk::legacy {
namespace {

using nlohmann::json;

constexpr unsigned kMostDepth = 8; // no client sends more than 1

// The parser calls it for each token. False ends the parsing.
class Handler final : public nlohmann::json_sax<json> {
  public:
    explicit Handler(std::span<JsonField> fields) : fields_(fields) {}

    bool key(string_t& name) override {
        if (depth_ != 1)
            return true;
        const auto found = std::ranges::find(fields_, std::string_view(name), &JsonField::name);
        field_ = found == fields_.end() ? nullptr : &*found;
        return field_ == nullptr || field_->kind == JsonField::Kind::missing;
    }
    bool string(string_t& value) override {
        if (JsonField* const field = take_field(JsonField::Kind::text)) {
            field->text.assign(value.begin(), value.end());
            sodium_memzero(value.data(), value.size());
        }
        return depth_ > 0;
    }
    bool number_unsigned(number_unsigned_t value) override {
        if (JsonField* const field = take_field(JsonField::Kind::number))
            field->number = value;
        return depth_ > 0;
    }
    bool null() override { return other(); }
    bool boolean(bool) override { return other(); }
    bool number_integer(number_integer_t) override { return other(); } // below 0
    bool number_float(number_float_t, const string_t&) override { return other(); }
    bool binary(binary_t&) override { return other(); }
    bool start_object(std::size_t) override {
        take_field(JsonField::Kind::other);
        return ++depth_ <= kMostDepth;
    }
    bool end_object() override {
        --depth_;
        return true;
    }
    bool start_array(std::size_t) override {
        take_field(JsonField::Kind::other);
        return depth_++ > 0 && depth_ <= kMostDepth; // outermost is an object
    }
    bool end_array() override { return end_object(); }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return false; }

  private:
    // The field that this value is of.
    JsonField* take_field(JsonField::Kind kind) {
        if (depth_ != 1 || field_ == nullptr)
            return nullptr;
        field_->kind = kind;
        return std::exchange(field_, nullptr);
    }
    bool other() {
        take_field(JsonField::Kind::other);
        return depth_ > 0;
    }

    std::span<JsonField> fields_;
    JsonField* field_ = nullptr;
    unsigned depth_ = 0;
};

} // namespace

bool read_json_fields(std::string_view text, std::span<JsonField> fields) {
    // The parser takes a NUL for the end and does not look behind it.
    if (text.find('\0') != text.npos)
        return false;
    Handler handler(fields);
    return json::sax_parse(text.begin(), text.end(), &handler);
}

} // namespace xk::legacy
