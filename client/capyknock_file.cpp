// SPDX-License-Identifier: MIT
#include "client/old_client.h"
#include "client/ssh_config.h"
#include "protocol/base/quote.h"

#include <nlohmann/json.hpp>

#include <charconv>

namespace xk::client {
namespace {

using Json = nlohmann::json;

Error not_capyknock(const std::string& file, const std::string& what) {
    return {in_quotes(file) + " is no client file of capyknock: " + what,
            "it is one JSON object with knock_server_ip, target_server_ip and others", Exit::configuration};
}

// Its key generator writes ports as strings, and people write numbers.
std::optional<std::uint16_t> port_of(const Json& value) {
    std::uint16_t port = 0;
    if (value.is_number_unsigned() && value.get<std::uint64_t>() <= 65535)
        port = value.get<std::uint16_t>();
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), port);
        if (code != std::errc() || end != text.data() + text.size())
            return std::nullopt;
    }
    return port != 0 ? std::optional(port) : std::nullopt;
}

constexpr const char* kOldKey = "a profile has a key of its own, from the enrolment";

// Why the key is not taken over; nothing for the four that are.
const char* why_not(const std::string& key) {
    if (key == "knock_server_ip" || key == "target_server_ip" || key == "target_server_port")
        return nullptr;
    if (key == "knock_server_port")
        return "the enrolled profile has the server's knock port";
    if (key == "username")
        return "the credential names the user";
    if (key == "udpkey")
        return kOldKey;
    if (key == "otpkey")
        return "the code's secret is that of the enrolment; a machine gets factor hmac (knockctl user add --machine)";
    if (key == "otpkeydesc")
        return "the authenticator gets a new entry, by the QR code of the operator";
    return "it is no setting of capyknock that is known here";
}

} // namespace

Result<OldClient> read_capyknock(std::string_view text, const std::string& file) {
    const Json json = Json::parse(text, nullptr, false);
    if (json.is_discarded() || !json.is_object())
        return not_capyknock(file, "it is no JSON object");
    OldClient client;
    client.title = "capyknock's client";
    for (const char* key : {"knock_server_ip", "target_server_ip"}) {
        const auto found = json.find(key);
        if (found == json.end() || !found->is_string())
            return not_capyknock(file, std::string(key) + " is not there");
        const auto& host = found->get_ref<const std::string&>();
        if (!is_plain_host(host))
            return not_capyknock(file, std::string(key) + " " + in_quotes(host) + " is no address");
        client.hosts.push_back(host);
    }
    const auto found = json.find("target_server_port");
    const auto port = found == json.end() ? std::nullopt : port_of(*found);
    if (!port)
        return not_capyknock(file, "target_server_port is no port");
    client.service = "tcp/" + std::to_string(*port);
    if (client.hosts[0] != client.hosts[1])
        client.service += "@" + client.hosts[1]; // behind the server that opens it
    client.hosts.pop_back();
    if (const auto known = parse_service_spec(client.service); !known)
        return not_capyknock(file, known.error().message);
    for (const auto& [key, value] : json.items())
        if (const char* const why = why_not(key))
            client.without.push_back({printable(key), why});
    return client;
}

} // namespace xk::client
