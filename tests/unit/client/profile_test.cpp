// SPDX-License-Identifier: MIT
#include "client/profile.h"

#include "protocol/keys.h"
#include "tests/unit/recording/directory.h"

#include <doctest/doctest.h>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

using namespace xk;
using namespace xk::client;
using namespace std::chrono_literals;

namespace {

constexpr const char* kNeeded = "server_id: \"b773f9a54a28777aa850a3011ff9ea05\"\n"
                                "credential: \"78b43b124fd41ca6\"\n"
                                "key: \"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"\n";

struct Profiles {
    test::TemporaryDirectory itself;
    const std::string directory = itself.path();

    std::string write(const std::string& name, const std::string& text, mode_t mode = 0600) const {
        const std::string file = directory + "/" + name;
        std::ofstream(file) << text;
        ::chmod(file.c_str(), mode);
        return file;
    }
};

} // namespace

TEST_CASE("a profile is what its file says, and its defaults") {
    const Profiles profiles;
    const auto profile = load_profile(profiles.write("server.yaml", std::string(kNeeded) + "factor: none\n"));
    REQUIRE(profile.has_value());
    CHECK(profile->name == "server");
    CHECK(profile->port == wire::kDefaultPort);
    CHECK(profile->digits == 6);
    CHECK(profile->nat == NatPolicy::automatic);
    CHECK(profile->family == Family::any);
    CHECK(profile->probe == 250ms);
    CHECK(profile->wait == 10s);
    CHECK(profile->sequence_ports == 6);
    CHECK_FALSE(profile->by_handshake());
    CHECK(profile->is_automatic());
    CredentialKeys keys;
    Key key;
    for (std::size_t i = 0; i < key.size(); ++i)
        key[i] = static_cast<std::uint8_t>(i);
    derive_keys(keys, key, profile->server_id, profile->credential);
    CHECK(profile->keys->seal == keys.seal);
    CHECK(profile->keys->gate == keys.gate);
}

TEST_CASE("services say which ports can be tried, and the factor which secret counts") {
    const Profiles profiles;
    const auto profile = load_profile(profiles.write(
        "a.yaml", std::string(kNeeded) + "name: alias\nhosts: [h1, H2]\nfactor: hmac\n"
                                         "hmac_key: AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=\nservice: ssh\n"
                                         "services: {ssh: [tcp/22, tcp/30-40, \"tcp/22@203.0.113.7\"], games: "
                                         "udp/1-9}\nlifetime: 5m\nmode: handshake\nsequence_ports: 8\n"));
    REQUIRE(profile.has_value());
    CHECK(profile->is_for("ALIAS"));
    CHECK(profile->is_for("h2"));
    CHECK_FALSE(profile->is_for("a"));
    CHECK(profile->services.at("ssh") == std::vector<Endpoint>{{IpProtocol::tcp, 22}});
    CHECK(profile->services.at("games").empty());
    CHECK(profile->lifetime == 300);
    CHECK(profile->sequence_ports == 8);
    CHECK(profile->by_handshake());
    CHECK(profile->factor_key->size == 32);
    CHECK(profile->factor_key->bytes[31] == 1);
    const auto totp = load_profile(profiles.write(
        "b.yaml", std::string(kNeeded) + "factor: totp\notp_secret: GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\ndigits: 8\n"));
    REQUIRE(totp.has_value());
    CHECK(totp->factor_key->size == 20);
    CHECK(totp->digits == 8);
    CHECK(totp->is_automatic());
}

TEST_CASE("a profile that others can read, or with a fault, is none") {
    const Profiles profiles;
    CHECK_FALSE(load_profile(profiles.write("a.yaml", std::string(kNeeded) + "factor: none\n", 0644)).has_value());
    const auto bad = load_profile(profiles.write("b.yaml", std::string(kNeeded) + "factor: sms\nwait: 0s\n"));
    REQUIRE_FALSE(bad.has_value());
    CHECK(bad.error().exit == Exit::configuration);
    CHECK(bad.error().message.find("b.yaml:4:9: \"sms\" is not") != std::string::npos);
    CHECK(bad.error().message.find("b.yaml:5:7: a wait of no time") != std::string::npos);
}
