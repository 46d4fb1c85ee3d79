// SPDX-License-Identifier: MIT
#include "protocol/profile/profile_file.h"

#include "protocol/yaml/document.h"
#include "protocol/yaml/schema.h"

#include <doctest/doctest.h>

#include <array>
#include <cstring>
#include <random>

using namespace xk;
using namespace std::chrono_literals;

namespace {

bool same(const std::optional<Secret<FactorKey>>& a, const std::optional<Secret<FactorKey>>& b) {
    return a.has_value() == b.has_value() && (!a || std::memcmp(&**a, &**b, sizeof(FactorKey)) == 0);
}

bool same(const ProfileFile& a, const ProfileFile& b) {
    return a.name == b.name && a.hosts == b.hosts && a.server == b.server && a.knock_port == b.knock_port &&
           a.server_id == b.server_id && a.credential == b.credential && *a.key == *b.key && a.factor == b.factor &&
           a.digits == b.digits && same(a.hmac_key, b.hmac_key) && same(a.otp_secret, b.otp_secret) &&
           a.service == b.service && a.services == b.services && a.gateway == b.gateway && a.lifetime == b.lifetime &&
           a.mode == b.mode && a.nat == b.nat && a.family == b.family && a.stun == b.stun && a.probe == b.probe &&
           a.wait == b.wait && a.sequence_ports == b.sequence_ports;
}

struct Reading {
    yaml::Faults faults;
    ProfileFile profile;
    explicit Reading(const std::string& text) {
        if (auto section = yaml::read(text, "f", faults))
            profile = read_profile_file(*section);
    }
    std::string fault() const { return faults.empty() ? "" : faults.error().message; }
};

std::mt19937_64 engine(3);
bool flag() { return engine() % 2 == 0; }

// Valid UTF-8 that is as hostile as it can be.
std::string hostile() {
    static const char* const kParts[] = {"a",
                                         "#",
                                         " #",
                                         ": ",
                                         "\"",
                                         "\\",
                                         "'",
                                         "\n",
                                         "\t",
                                         "- ",
                                         "{",
                                         "}",
                                         "[",
                                         "]",
                                         ",",
                                         "&x",
                                         "*x",
                                         "!",
                                         "|",
                                         ">",
                                         "%",
                                         "@",
                                         "`",
                                         "~",
                                         "null",
                                         "true",
                                         "---",
                                         "...",
                                         "\x1b[2J",
                                         "\xc3\xa9",
                                         "\xe2\x80\xae",
                                         "\xf0\x9f\x94\x91",
                                         "0x1",
                                         "1e3",
                                         "?",
                                         "\r"};
    std::string text;
    text += kParts[engine() % std::size(kParts)];
    for (auto more = engine() % 6; more > 0; --more)
        text += kParts[engine() % std::size(kParts)];
    return text;
}

void fill_secrets(ProfileFile& profile) {
    for (auto& byte : *profile.key)
        byte = static_cast<std::uint8_t>(engine());
    profile.factor = static_cast<FactorKind>(engine() % 3);
    const auto fill = [](Secret<FactorKey>& key, std::uint32_t size) {
        key->size = size;
        for (std::uint32_t i = 0; i < size; ++i)
            key->bytes[i] = static_cast<std::uint8_t>(engine());
    };
    if (profile.factor == FactorKind::hmac)
        fill(profile.hmac_key.emplace(), 32);
    if (profile.factor == FactorKind::totp && flag())
        fill(profile.otp_secret.emplace(), static_cast<std::uint32_t>(20 + engine() % 45));
    if (flag())
        profile.digits = flag() ? 6 : 8;
}

ProfileFile random_profile() {
    ProfileFile profile;
    fill_secrets(profile);
    if (flag())
        profile.name = hostile();
    for (auto n = engine() % 4; n > 0; --n)
        profile.hosts.push_back(hostile());
    if (flag())
        profile.server.append(hostile());
    profile.gateway = !profile.server.empty() && flag();
    profile.knock_port = flag() ? 65535 : static_cast<std::uint16_t>(1 + engine() % 65535);
    for (auto& byte : profile.server_id)
        byte = static_cast<std::uint8_t>(engine());
    for (auto& byte : profile.credential)
        byte = static_cast<std::uint8_t>(engine());
    if (flag())
        profile.service.append(hostile());
    for (const char* name : {"ssh", "no", "1e3"})
        if (flag())
            profile.services.emplace_back(
                name, std::vector<std::string>{"tcp/22", "udp/1-65535", "tcp/22@203.0.113.7", "tcp/22@2001:db8::7"});
    profile.lifetime = std::chrono::seconds(flag() ? UINT32_MAX : engine() % 100000);
    profile.mode = flag() ? ClientMode::packet : ClientMode::handshake;
    profile.nat = std::array{NatPolicy::automatic, NatPolicy::always, NatPolicy::never}[engine() % 3];
    profile.family = std::array{Family::any, Family::ipv4, Family::ipv6}[engine() % 3];
    if (flag())
        profile.stun.append(hostile());
    profile.probe = std::chrono::milliseconds(flag() ? 10'000 : engine() % 10'000);
    profile.wait = std::chrono::seconds(flag() ? UINT32_MAX : 1 + engine() % 100);
    profile.sequence_ports = 5 + engine() % 6;
    return profile;
}

constexpr const char* kGolden = "hosts: [\"server.example.net\", \"192.0.2.1\"]\n"
                                "server: \"knock.example.net\"\n"
                                "knock_port: 4242\n"
                                "server_id: \"b773f9a54a28777aa850a3011ff9ea05\"\n"
                                "credential: \"78b43b124fd41ca6\"\n"
                                "key: \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n"
                                "factor: totp\n"
                                "digits: 8\n"
                                "service: ssh\n"
                                "services:\n"
                                "  ssh: [\"tcp/22\"]\n"
                                "  web: [\"tcp/80\", \"tcp/443\"]\n";

} // namespace

TEST_CASE("a profile that is written is read as the same, whatever stands in it") {
    for (int round = 0; round < 2000; ++round) {
        const ProfileFile profile = random_profile();
        const auto text = profile_file_text(profile, "# head\n");
        REQUIRE_MESSAGE(text.has_value(), (text ? "" : text.error().message));
        const Reading reading(*text);
        REQUIRE_MESSAGE(reading.fault().empty(), *text << reading.fault());
        REQUIRE_MESSAGE(same(reading.profile, profile), *text);
    }
}

TEST_CASE("a profile of the release before is read, and written again byte by byte") {
    const Reading reading(kGolden);
    REQUIRE(reading.fault().empty());
    CHECK(reading.profile.hosts == std::vector<std::string>{"server.example.net", "192.0.2.1"});
    CHECK(reading.profile.knock_port == 4242);
    CHECK((*reading.profile.key)[31] == 31);
    CHECK(reading.profile.digits == 8);
    CHECK(reading.profile.services.at(1).second == std::vector<std::string>{"tcp/80", "tcp/443"});
    CHECK(profile_file_text(reading.profile).value() == kGolden);
}

TEST_CASE("a profile names its hosts and the port, also where they are the usual ones: people change them there") {
    const std::string text = profile_file_text(ProfileFile()).value();
    CHECK(text.find("hosts: []\nknock_port: 62201\n") == 0);
}

TEST_CASE("each fault of a profile is named, and no secret with it") {
    const auto fault = [](const std::string& more) {
        return Reading("server_id: b773f9a54a28777aa850a3011ff9ea05\ncredential: 78b43b124fd41ca6\n"
                       "key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n" +
                       more)
            .fault();
    };
    CHECK(fault("factor: none\n").empty());
    CHECK(fault("") == "f:1:1: \"factor\" is missing");
    CHECK(fault("factor: hmac\n") == "f:1:1: \"hmac_key\" is missing");
    CHECK(fault("factor: hmac\nhmac_key: SECRET\n") == "f:5:11: hmac_key is not base64 of 32 bytes");
    CHECK(fault("factor: none\nhmac_key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n") ==
          "f:5:11: hmac_key is for factor hmac only");
    CHECK(fault("factor: totp\notp_secret: SECRET\n") == "f:5:13: otp_secret is not base32 of 20 to 64 bytes");
    CHECK(fault("factor: none\notp_secret: GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\n") ==
          "f:5:13: otp_secret is for factors totp and hotp only");
    CHECK(fault("factor: sms\n") == "f:4:9: \"sms\" is not a second factor (write totp, hotp, hmac or none)");
    CHECK(fault("factor: totp\ndigits: 7\n") == "f:1:1: a code has 6 or 8 digits");
    CHECK(fault("factor: none\notp_command: [a]\n").find("f:5:1: a profile runs no program") == 0);
    CHECK(fault("factor: none\ngateway: true\n").find("f:1:1: \"gateway\" needs \"server\"") == 0);
    CHECK(fault("factor: none\nwait: 0s\n") == "f:5:7: a wait of no time does not knock (write 1s or more)");
    CHECK(fault("factor: none\nmode: sequence\n") ==
          "f:5:7: \"sequence\" is no way to knock that a profile can have (write packet or handshake)");
    CHECK(fault("factor: none\nsequence_ports: 4\n") == "f:5:17: \"4\" is not a number from 5 to 10");
    CHECK(fault("factor: none\nsequence_ports: 11\n") == "f:5:17: \"11\" is not a number from 5 to 10");
    CHECK(fault("factor: none\nprobe_ms: 10001\n") == "f:5:11: \"10001\" is not a number from 0 to 10000");
    CHECK(fault("factor: none\nservices: {a: [tcp/0]}\n").find("f:5:16: \"tcp/0\" is not") == 0);
    CHECK(fault("factor: none\nknock_prt: 1\n") == "f:5:1: unknown key \"knock_prt\" (did you mean \"knock_port\"?)");
    CHECK(Reading("key: c2VjcmV0\n").fault().find("c2VjcmV0") == std::string::npos);
}

TEST_CASE("what the reader would refuse is not written") {
    const auto refusal = [](auto change) {
        ProfileFile profile;
        change(profile);
        const auto text = profile_file_text(profile);
        return text ? "(written)" : text.error().message;
    };
    CHECK(refusal([](ProfileFile&) {}) == "(written)");
    CHECK(refusal([](ProfileFile& p) { p.factor = FactorKind::hmac; }) == "hmac_key: is missing");
    CHECK(refusal([](ProfileFile& p) { p.otp_secret.emplace(); }).find("otp_secret") == 0);
    CHECK(refusal([](ProfileFile& p) { p.knock_port = 0; }).find("knock_port: ") == 0);
    CHECK(refusal([](ProfileFile& p) { p.server.append("\xff"); }) == "a text is not UTF-8");
    CHECK(refusal([](ProfileFile& p) { p.services = {{"s h", {"tcp/22"}}}; }) == "services: \"s h\" is not a name");
    CHECK(refusal([](ProfileFile& p) { p.services = {{"ssh", {"22"}}}; }).find("ssh: \"22\" is not") == 0);
    CHECK(refusal([](ProfileFile& p) { p.wait = std::chrono::seconds(0); }).find("wait: ") == 0);
    CHECK(refusal([](ProfileFile& p) { p.sequence_ports = 4; }).find("sequence_ports: ") == 0);
    CHECK(refusal([](ProfileFile& p) { p.gateway = true; }).find("\"gateway\" needs \"server\"") == 0);
}
