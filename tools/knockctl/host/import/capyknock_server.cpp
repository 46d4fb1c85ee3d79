// SPDX-License-Identifier: MIT
// capyknock's server-conf.json.
#include "tools/knockctl/host/import/lines.h"
#include "tools/knockctl/host/import/old_server.h"

#include "daemon/legacy/text.h"
#include "protocol/base/quote.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace xk::tools::takeover {
namespace {

using Json = nlohmann::json;

constexpr const char* kServerKind = "capyknock's server";
constexpr const char* kServerHint = "name its server-conf.json: listeningport, and users with udpkey and otpkey";

std::size_t line_at(std::string_view text, std::size_t at) {
    return 1 + static_cast<std::size_t>(std::ranges::count(text.substr(0, std::min(at, text.size())), '\n'));
}

// The lines on which the objects of "users" begin. The text is JSON.
std::vector<std::size_t> lines_of_users(std::string_view text) {
    std::vector<std::size_t> lines;
    std::size_t depth = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '"') {
            for (++i; i < text.size() && text[i] != '"'; ++i)
                i += text[i] == '\\' ? 1U : 0U;
        } else if (text[i] == '{' || text[i] == '[') {
            if (++depth == 3 && text[i] == '{')
                lines.push_back(line_at(text, i));
        } else if (text[i] == '}' || text[i] == ']') {
            --depth;
        }
    }
    return lines;
}

// A key that is there twice: readers of JSON do not agree which one counts.
std::string doubled_key(std::string_view text) {
    std::vector<std::set<std::string>> seen;
    std::string doubled;
    const Json parsed = Json::parse(
        text,
        [&](int, Json::parse_event_t event, Json& value) {
            if (event == Json::parse_event_t::object_start)
                seen.emplace_back();
            else if (event == Json::parse_event_t::object_end)
                seen.pop_back();
            else if (event == Json::parse_event_t::key && !seen.back().insert(value.get<std::string>()).second)
                doubled = value.get<std::string>();
            return true;
        },
        false);
    return parsed.is_discarded() ? std::string() : doubled;
}

// Ports are strings and numbers.
std::optional<std::uint16_t> port_in(const Json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end())
        return std::nullopt;
    if (found->is_number_unsigned() && found->get<std::uint64_t>() >= 1 && found->get<std::uint64_t>() <= 65535)
        return found->get<std::uint16_t>();
    return found->is_string() ? legacy::parse_port(found->get_ref<const std::string&>()) : std::nullopt;
}

std::string text_in(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool is_blank(const Json& user) {
    return std::ranges::all_of(user, [](const Json& value) {
        return value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty());
    });
}

// Why the entry is no user; empty where it is one.
std::string read_capyknock_user(const Json& entry, OldDevice& device) {
    const std::string name = text_in(entry, "username");
    if (name.empty() || name.size() > authz::kMaxLegacyName ||
        std::ranges::any_of(name, [](char c) { return c < '!' || c > '~'; }))
        return "username is not 1 to 64 printable characters without blanks";
    device.device.name = name;
    std::uint8_t key[32];
    std::string udpkey = text_in(entry, "udpkey");
    const auto size = legacy::decode_base64(udpkey, legacy::Base64::url_padded, key);
    sodium_memzero(key, sizeof key);
    device.key = WipedText::from(std::move(udpkey));
    device.key += "\n";
    if (size != sizeof key)
        return "udpkey is not the base64url of 32 bytes";
    std::string otpkey = text_in(entry, "otpkey");
    auto code = code_secret(otpkey);
    sodium_memzero(otpkey.data(), otpkey.size());
    if (!code)
        return "otpkey is not the base32 of 16 to 64 bytes";
    device.factor = *std::move(code);
    const auto target = Address::parse(text_in(entry, "target_server_ip"));
    if (!target)
        return "target_server_ip is not an address";
    device.device.target = *target;
    const auto port = port_in(entry, "target_server_port");
    if (!port)
        return "target_server_port is not a port";
    device.device.port = *port;
    device.ports = {PortRange{IpProtocol::tcp, *port, *port}};
    return {};
}

void take_capyknock_user(const Json& entry, std::size_t index, std::size_t line, OldServer& server) {
    const std::string title = "users[" + std::to_string(index) + "]";
    if (!entry.is_object())
        return server.add(line, title, Fate::not_understood, "it is no object");
    if (is_blank(entry))
        return server.add(line, title, Fate::not_taken, "it is blank");
    OldDevice device;
    device.line = line;
    device.title = title;
    device.wanted_name = text_in(entry, "nickname");
    device.user.modes = {authz::KnockMode::packet, authz::KnockMode::capyknock};
    device.device.kind = authz::DeviceKind::capyknock;
    device.device.device = "capyknock";
    device.device.factor = FactorKind::totp;
    if (const std::string why = read_capyknock_user(entry, device); !why.empty())
        return server.add(line, title, Fate::not_taken, why);
    server.add(line, title + " username " + printable(*device.device.name), Fate::taken,
               "the device's name in its packets");
    for (const auto& [key, value] : entry.items())
        if (!std::set<std::string>{"username", "nickname", "udpkey", "otpkey", "target_server_ip", "target_server_port"}
                 .contains(key))
            server.add(line, title + "." + printable(key, 40), Fate::not_understood,
                       "it is no setting of capyknock that is known here");
    server.devices.push_back(std::move(device));
}

// The keys of the users. What is nested deeper was not read.
void wipe_keys(Json& users) {
    for (Json& user : users)
        for (Json& value : user)
            if (value.is_string())
                sodium_memzero(value.get_ref<std::string&>().data(), value.get_ref<std::string&>().size());
}

void take_capyknock_settings(const Json& json, OldServer& server) {
    for (const auto& [key, value] : json.items())
        if (key == "listeninginterface" || key == "locallisteninginterface")
            server.add(0, key, Fate::no_equivalent, "knocks are heard on the \"interfaces\" of xknock.yaml");
        else if (key == "listeningport")
            server.add(0, key + " " + std::to_string(*server.capyknock_port), Fate::taken,
                       "legacy.capyknock.port of xknock.yaml");
        else if (key != "users")
            server.add(0, printable(key, 40), Fate::not_understood, "it is no setting of capyknock that is known here");
}

} // namespace

Result<OldServer> read_capyknock_server(std::string_view text, const std::string& file) {
    Json json;
    try {
        json = Json::parse(text);
    } catch (const Json::parse_error& fault) {
        return not_of_kind(file, kServerKind, "line " + std::to_string(line_at(text, fault.byte)) + " is no JSON",
                           kServerHint);
    } catch (const Json::exception&) {
        return not_of_kind(file, kServerKind, "it is no JSON", kServerHint);
    }
    if (!json.is_object() || !json.contains("users") || !json["users"].is_array())
        return not_of_kind(file, kServerKind, "there is no list \"users\"", kServerHint);
    if (const std::string key = doubled_key(text); !key.empty())
        return not_of_kind(file, kServerKind, in_quotes(key, 40) + " is there twice in one object",
                           "leave one of them");
    OldServer server;
    server.capyknock_port = port_in(json, "listeningport");
    if (!server.capyknock_port)
        return not_of_kind(file, kServerKind, "\"listeningport\" is no port from 1 to 65535", kServerHint);
    take_capyknock_settings(json, server);
    const auto lines = lines_of_users(text);
    const Json& users = json["users"];
    for (std::size_t i = 0; i < users.size(); ++i)
        take_capyknock_user(users[i], i, users.size() == lines.size() ? lines[i] : 0, server);
    wipe_keys(json["users"]);
    server.next.emplace_back("capyknock's users keep their client and its file; access ends with the lifetime now, "
                             "sessions go on");
    server.next.emplace_back("a program that calls capyknock_banip.py calls "
                             "/usr/share/doc/xknock/examples/capyknock_banip in its place");
    return server;
}

} // namespace xk::tools::takeover
