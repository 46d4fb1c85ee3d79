// SPDX-License-Identifier: MIT
//
// One description of a file for both directions. A file's struct has a function template
//
//   template <typename Fields> void describe(Fields& fields) {
//       fields.required("name", &UserFile::name, kNameText);
//       fields.optional("lifetime", &UserFile::lifetime, kLifetime);
//       fields.check(fields.object().lifetime <= ..., "lifetime", "is too long");
//   }
//
// FieldReader fills the struct from a Section and puts faults at their places. FieldWriter writes what differs from a
// default-constructed struct and finds the same faults. So a key, its form, its default and its rules are written once.
#pragma once

#include "protocol/base/quote.h"
#include "protocol/yaml/document.h"
#include "protocol/yaml/emitter.h"

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace xk::yaml {

// The text form of a type: parse(string_view) returns Result<T>, text(const T&) a std::string.
template <typename Parse, typename Text>
struct Form {
    Parse parse;
    Text text;
    Style style;
};
template <typename Parse, typename Text>
Form(Parse, Text, Style) -> Form<Parse, Text>;

inline constexpr Form kAnyText{[](std::string_view text) { return Result<std::string>(std::string(text)); },
                               [](const std::string& text) { return text; }, Style::text};

// A name: of a user, a device, a service (is_name()).
inline Result<std::string> parse_name(std::string_view text) {
    if (is_name(text))
        return std::string(text);
    return Error{in_quotes(text) + " is not a name",
                 "1 to 32 letters, digits, \"-\", \"_\" or \".\", the first a letter or digit"};
}
inline constexpr Form kName{parse_name, [](const std::string& text) { return text; }, Style::name};

inline constexpr Form kTruth{[](std::string_view text) -> Result<bool> {
                                 if (text == "true" || text == "false")
                                     return text == "true";
                                 return Error{in_quotes(text) + " is neither true nor false", {}};
                             },
                             [](bool truth) { return std::string(truth ? "true" : "false"); }, Style::bare};

// A decimal number from `low` to `high`.
Result<std::uint64_t> parse_number(std::string_view text, std::uint64_t low, std::uint64_t high);
template <typename T>
constexpr auto number_form(std::uint64_t low, std::uint64_t high) {
    return Form{[low, high](std::string_view text) -> Result<T> {
                    auto number = parse_number(text, low, high);
                    return number ? Result<T>(static_cast<T>(*number)) : number.error();
                },
                [](T number) { return std::to_string(number); }, Style::bare};
}

// The limit of a list: the sum of the items' weights. `what` completes "these are more than 8 ...".
struct Most {
    std::size_t number = SIZE_MAX;
    const char* what = "items";
};
// Whether `word` is not in the list, or is all that is in it.
inline bool stands_alone(const std::vector<std::string>& values, std::string_view word) {
    return values.size() < 2 || std::ranges::find(values, word) == values.end();
}
inline constexpr auto kOneEach = [](const auto&) -> std::size_t { return 1; };

template <typename Object>
class FieldReader {
  public:
    FieldReader(Section& section, Object& object) : section_(section), object_(object) {}
    const Object& object() const { return object_; }

    template <typename T, typename Codec>
    void required(const char* key, T Object::*member, const Codec& form) {
        section_.require(key);
        optional(key, member, form);
    }
    // A member that is a std::optional stays empty where the key is absent.
    template <typename T, typename Codec>
    void optional(const char* key, T Object::*member, const Codec& form) {
        if (auto value = section_.parsed(key, form.parse))
            object_.*member = *std::move(value);
    }
    // May be absent in a file, and is always written, because people look for this default in the file.
    template <typename T, typename Codec>
    void always(const char* key, T Object::*member, const Codec& form) {
        optional(key, member, form);
    }
    template <typename T, typename Codec>
    void always_list(const char* key, std::vector<T> Object::*member, const Codec& form) {
        list(key, member, form, EmptyList::fine);
    }
    template <typename T, typename Codec>
    void required_if(bool needed, const char* key, std::optional<T> Object::*member, const Codec& form) {
        if (needed)
            section_.require(key);
        optional(key, member, form);
    }
    template <typename T, typename Codec, typename Weight = decltype(kOneEach)>
    void list(const char* key, std::vector<T> Object::*member, const Codec& form, EmptyList empty = EmptyList::fault,
              Most most = {}, Weight weight = kOneEach) {
        std::size_t total = 0;
        for (const Scalar& text : section_.scalars(key, empty).value_or(std::vector<Scalar>{})) {
            auto value = section_.parse_at(text, form.parse);
            if (!value)
                continue;
            total += weight(*value);
            if (total > most.number) {
                section_.faults().add(text.place, too_many(most));
                return;
            }
            (object_.*member).push_back(*std::move(value));
        }
    }
    template <typename T, typename Codec>
    void required_list(const char* key, std::vector<T> Object::*member, const Codec& form) {
        section_.require(key);
        list(key, member, form, EmptyList::fine);
    }
    // A list, or one word that stands for a whole list, and never beside other items. The word is written without
    // brackets.
    template <typename Codec>
    void required_list_or(const char* key, std::string_view word, std::vector<std::string> Object::*member,
                          const Codec& form) {
        required_list(key, member, form);
        check_value(stands_alone(object_.*member, word), key, in_quotes(word) + " stands alone, without other items");
    }
    // A mapping from free names to lists, in the order of the file.
    template <typename Codec>
    void lists(const char* key, std::vector<std::pair<std::string, std::vector<std::string>>> Object::*member,
               const Codec& form) {
        for (const auto& entry : section_.entries(key).value_or(std::vector<Section::Entry>{})) {
            auto& [name, values] = (object_.*member).emplace_back(entry.name.value, std::vector<std::string>());
            for (const Scalar& text : entry.values)
                if (auto value = section_.parse_at(text, form.parse))
                    values.push_back(*std::move(value));
        }
    }
    // A mapping with a description of its own.
    template <typename Inner, typename Describe>
    void mapping(const char* key, Inner Object::*member, Describe describe) {
        auto inner = section_.section(key);
        if (!inner)
            return;
        FieldReader<Inner> fields(*inner, object_.*member);
        describe(fields);
        inner->finish();
    }
    void forbidden(const char* key, const char* message, const std::string& hint) {
        if (!section_.has(key))
            return;
        (void)section_.scalars(key, EmptyList::fine); // otherwise finish() would report the key too
        section_.faults().add(section_.place_of_key(key), message, hint);
    }
    // A rule about several keys. The fault is at the key, or without one at the first line of the file.
    void check(bool holds, const char* key, const std::string& message, const std::string& hint = {}) {
        if (!holds)
            section_.faults().add(key == nullptr ? section_.place() : section_.place_of_key(key), message, hint);
    }
    void check_value(bool holds, const char* key, const std::string& message, const std::string& hint = {}) {
        if (!holds)
            section_.faults().add(section_.place_of_value(key), message, hint);
    }

  private:
    static std::string too_many(const Most& most) {
        return "these are more than " + std::to_string(most.number) + " " + most.what;
    }

    Section& section_;
    Object& object_;
};

template <typename Object>
class FieldWriter {
  public:
    FieldWriter(Emitter& out, const Object& object, std::vector<std::string>& faults)
        : out_(out), object_(object), faults_(faults) {}
    const Object& object() const { return object_; }

    template <typename T, typename Codec>
    void required(const char* key, T Object::*member, const Codec& form) {
        put(key, object_.*member, form);
    }
    template <typename T, typename Codec>
    void optional(const char* key, T Object::*member, const Codec& form) {
        if (object_.*member != standard_.*member)
            put(key, object_.*member, form);
    }
    template <typename T, typename Codec>
    void optional(const char* key, std::optional<T> Object::*member, const Codec& form) {
        if (object_.*member)
            put(key, *(object_.*member), form);
    }
    template <typename T, typename Codec>
    void always(const char* key, T Object::*member, const Codec& form) {
        put(key, object_.*member, form);
    }
    template <typename T, typename Codec>
    void always_list(const char* key, std::vector<T> Object::*member, const Codec& form) {
        put_list(key, object_.*member, form);
    }
    template <typename T, typename Codec>
    void required_if(bool needed, const char* key, std::optional<T> Object::*member, const Codec& form) {
        check(!needed || (object_.*member).has_value(), key, "is missing");
        optional(key, member, form);
    }
    template <typename T, typename Codec, typename Weight = decltype(kOneEach)>
    void list(const char* key, std::vector<T> Object::*member, const Codec& form, EmptyList = EmptyList::fault,
              Most most = {}, Weight weight = kOneEach) {
        std::size_t total = 0;
        for (const T& value : object_.*member)
            total += weight(value);
        check(total <= most.number, key, "these are more than " + std::to_string(most.number) + " " + most.what);
        if (!(object_.*member).empty())
            put_list(key, object_.*member, form);
    }
    template <typename T, typename Codec>
    void required_list(const char* key, std::vector<T> Object::*member, const Codec& form) {
        put_list(key, object_.*member, form);
    }
    template <typename Codec>
    void required_list_or(const char* key, std::string_view word, std::vector<std::string> Object::*member,
                          const Codec& form) {
        const std::vector<std::string>& values = object_.*member;
        check(stands_alone(values, word), key, in_quotes(word) + " stands alone, without other items");
        if (values == std::vector{std::string(word)})
            out_.scalar(key, text_of(key, values.front(), form), Style::bare);
        else
            put_list(key, values, form);
    }
    template <typename Codec>
    void lists(const char* key, std::vector<std::pair<std::string, std::vector<std::string>>> Object::*member,
               const Codec& form) {
        if ((object_.*member).empty())
            return;
        out_.begin(key, false);
        for (const auto& [name, values] : object_.*member) {
            check(is_name(name), key, in_quotes(name) + " is not a name");
            put_list(name.c_str(), values, form);
        }
        out_.end();
    }
    template <typename Inner, typename Describe>
    void mapping(const char* key, Inner Object::*member, Describe describe) {
        if (object_.*member == standard_.*member)
            return;
        out_.begin(key, true);
        FieldWriter<Inner> fields(out_, object_.*member, faults_);
        describe(fields);
        out_.end();
    }
    void forbidden(const char*, const char*, const std::string&) {}
    void check(bool holds, const char* key, const std::string& message, const std::string& = {}) {
        if (!holds)
            faults_.push_back(key == nullptr ? message : std::string(key) + ": " + message);
    }
    void check_value(bool holds, const char* key, const std::string& message, const std::string& = {}) {
        check(holds, key, message);
    }

  private:
    // A value that the reader would refuse is not written.
    template <typename T, typename Codec>
    std::string text_of(const char* key, const T& value, const Codec& form) {
        std::string text = form.text(value);
        const auto again = form.parse(text);
        if (!again)
            check(false, key, again.error().message);
        else if constexpr (std::equality_comparable<T>)
            check(*again == value, key, in_quotes(text) + " would be read as another value");
        return text;
    }
    template <typename T, typename Codec>
    void put(const char* key, const T& value, const Codec& form) {
        out_.scalar(key, text_of(key, value, form), form.style);
    }
    template <typename T, typename Codec>
    void put_list(const char* key, const std::vector<T>& values, const Codec& form) {
        std::vector<std::string> texts;
        for (const T& value : values)
            texts.push_back(text_of(key, value, form));
        out_.list(key, texts, Style::text);
    }

    Emitter& out_;
    const Object& object_;
    const Object standard_{};
    std::vector<std::string>& faults_;
};

// The text of a file: `head` (lines of comment, or nothing) and the fields. An error names every rule that the object
// breaks.
template <typename Object, typename Describe>
Result<std::string> write_fields(const Object& object, Describe describe, std::string_view head = {}) {
    Emitter out;
    std::vector<std::string> faults;
    FieldWriter<Object> fields(out, object, faults);
    describe(fields);
    auto text = out.text();
    if (!text)
        faults.push_back(text.error().message);
    std::string all;
    for (const std::string& fault : faults)
        all += (all.empty() ? "" : "\n") + fault;
    if (!all.empty())
        return Error{all, {}, Exit::configuration};
    return std::string(head) + *text;
}

} // namespace xk::yaml
