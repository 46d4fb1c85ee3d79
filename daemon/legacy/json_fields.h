// SPDX-License-Identifier: MIT
//
// Reads some fields of a JSON object that a stranger sent. Nothing is built of the rest, and nothing here is recursive.
#pragma once

#include "protocol/secret.h"

#include <cstdint>
#include <span>
#include <string_view>

namespace xk::legacy {

struct JsonField {
    enum class Kind : std::uint8_t { missing, text, number, other };

    explicit JsonField(std::string_view field_name) : name(field_name) {}

    std::string_view name;
    Kind kind = Kind::missing;
    WipedVector<char> text{};
    std::uint64_t number = 0; // of a whole number from 0 on

    bool is_text() const { return kind == Kind::text; }
    bool is_number() const { return kind == Kind::number; }
    std::string_view text_view() const { return {text.data(), text.size()}; }
};

// Fills `fields` from the members of the outermost object. False where the text is not one JSON object in UTF-8, is
// nested too deeply, or has one of the fields twice: two readers could see two different objects then.
// nlohmann's parser frees a copy of what it read last without wiping it.
bool read_json_fields(std::string_view json, std::span<JsonField> fields);

} // namespace xk::legacy
