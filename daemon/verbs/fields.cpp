// SPDX-License-Identifier: MIT
#include "daemon/verbs/fields.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace xk::verbs {
namespace {

using nlohmann::json;

bool is_number_in(const json& value, std::uint64_t least, std::uint64_t most) {
    return value.is_number_unsigned() && value.get<std::uint64_t>() >= least && value.get<std::uint64_t>() <= most;
}

std::optional<TcpSession> parse_session(const json& value) {
    if (!value.is_object())
        return std::nullopt;
    for (const char* name : {"remote", "local"})
        if (!value.contains(name) || !value[name].is_string())
            return std::nullopt;
    for (const char* name : {"remote_port", "local_port"})
        if (!value.contains(name) || !is_number_in(value[name], 0, UINT16_MAX))
            return std::nullopt;
    const auto remote = Address::parse(value["remote"].get<std::string>());
    const auto local = Address::parse(value["local"].get<std::string>());
    if (!remote || !local)
        return std::nullopt;
    return TcpSession{*remote, value["remote_port"].get<std::uint16_t>(), *local,
                      value["local_port"].get<std::uint16_t>()};
}

bool is_of_kind(const json& value, FieldKind kind) {
    switch (kind) {
    case FieldKind::text:
        return value.is_string();
    case FieldKind::texts:
        return value.is_array() && std::ranges::all_of(value, [](const json& one) { return one.is_string(); });
    case FieldKind::truth:
        return value.is_boolean();
    case FieldKind::seconds:
        return is_number_in(value, 1, UINT32_MAX);
    case FieldKind::bits:
        return is_number_in(value, 32, 128);
    case FieldKind::session:
        break;
    }
    return parse_session(value).has_value();
}

Error wrong_kind(const Field& field) {
    const std::string name = "\"" + std::string(field.name) + "\"";
    switch (field.kind) {
    case FieldKind::seconds:
        return {name + " is not a number of seconds", {}, Exit::usage};
    case FieldKind::bits:
        return {name + " is not a number of bits, 32 to 128", {}, Exit::usage};
    case FieldKind::session:
        return {name + " is no session", {}, Exit::usage};
    case FieldKind::text:
    case FieldKind::texts:
    case FieldKind::truth:
        break;
    }
    return {"a field of the request has the wrong type: " + name, {}, Exit::usage};
}

} // namespace

Result<void> check_fields(const json& request, std::span<const Field> fields) {
    for (const Field& field : fields)
        if (const auto found = request.find(field.name); found != request.end() && !is_of_kind(*found, field.kind))
            return wrong_kind(field);
    return {};
}

bool has_field(const json& request, std::string_view name) { return request.contains(name); }

std::string text_field(const json& request, std::string_view name) {
    return has_field(request, name) ? request.at(std::string(name)).get<std::string>() : std::string();
}

std::vector<std::string> texts_field(const json& request, std::string_view name) {
    return has_field(request, name) ? request.at(std::string(name)).get<std::vector<std::string>>()
                                    : std::vector<std::string>();
}

bool truth_field(const json& request, std::string_view name) {
    return has_field(request, name) && request.at(std::string(name)).get<bool>();
}

std::optional<std::chrono::seconds> seconds_field(const json& request, std::string_view name) {
    if (!has_field(request, name))
        return std::nullopt;
    return std::chrono::seconds(request.at(std::string(name)).get<std::uint32_t>());
}

std::optional<unsigned> bits_field(const json& request, std::string_view name) {
    if (!has_field(request, name))
        return std::nullopt;
    return request.at(std::string(name)).get<unsigned>();
}

std::optional<TcpSession> session_field(const json& request, std::string_view name) {
    return has_field(request, name) ? parse_session(request.at(std::string(name))) : std::nullopt;
}

} // namespace xk::verbs
