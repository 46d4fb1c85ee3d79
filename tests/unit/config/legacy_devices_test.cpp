// SPDX-License-Identifier: MIT
//
// Devices of old clients: their keys in credentials/, the modes that they get, and how many there may be.
#include "etc.h"

#include <cstdio>

using namespace xk;
using namespace xk::config;
using authz::DeviceKind;
using authz::KnockMode;
using test::Etc;
using test::has;

namespace {

constexpr const char* kCapyknock = "user: bob\ndevice: old\nid: 00000000000000a1\nfactor: totp\nkind: capyknock\n"
                                   "name: QMQsrABBpkzunySvkzmizCw1\ntarget: 192.0.2.1\nport: 22\n";
constexpr const char* kFwknop = "user: bob\ndevice: older\nid: 00000000000000a2\nfactor: none\nkind: fwknop\n";

struct OldEtc : Etc {
    OldEtc() {
        let_bob("modes: [packet, capyknock, fwknop]\n");
        write("xknock.yaml", std::string(kMain) + kListeners);
        credential("bob.old", kCapyknock);
        credential("bob.older", kFwknop);
    }
    static constexpr const char* kListeners = "legacy: {capyknock: {port: 5001}, fwknop: {}}\n";
    void let_bob(const std::string& more) const { write("users/bob.yaml", "name: bob\nservices: ssh\n" + more); }
    // What is wrong with this file of kind capyknock, or fwknop.
    std::string bad_file(const std::string& stem, const std::string& text) const {
        credential(stem, text);
        return bad();
    }
};

std::string without(std::string text, const std::string& line) {
    text.erase(text.find(line), line.size());
    return text;
}

const authz::Credential& device(const Config& config, std::string_view name) {
    const auto found =
        std::ranges::find_if(config.policy.credentials, [&](const auto& c) { return c.device.view() == name; });
    REQUIRE(found != config.policy.credentials.end());
    return *found;
}

} // namespace

TEST_CASE("a device of an old client knocks in the mode of its kind alone, and no other device does") {
    const OldEtc etc;
    const Config config = etc.good();
    CHECK(config.warnings.empty());
    const authz::Credential& capyknock = device(config, "old");
    CHECK(capyknock.modes == 1u << static_cast<unsigned>(KnockMode::capyknock));
    CHECK(capyknock.legacy.kind == DeviceKind::capyknock);
    CHECK(capyknock.legacy.name_view() == "QMQsrABBpkzunySvkzmizCw1");
    CHECK(capyknock.legacy.target == Address::v4(192, 0, 2, 1));
    CHECK(capyknock.legacy.port == 22);
    const authz::Credential& fwknop = device(config, "older");
    CHECK(fwknop.modes == 1u << static_cast<unsigned>(KnockMode::fwknop));
    CHECK(fwknop.legacy.hmac == authz::HmacKind::sha256);
    CHECK(device(config, "pc").modes == 1u); // packets
    CHECK(device(config, "pc").legacy == authz::LegacyClient{});
}

TEST_CASE("a way of knocking of which a part is missing is named") {
    const OldEtc etc;
    etc.write("xknock.yaml", Etc::kMain);
    std::vector<std::string> warnings = etc.good().warnings;
    REQUIRE(warnings.size() == 2);
    CHECK(has(warnings[0], "user \"bob\" has mode capyknock, and nothing listens for it (legacy: {capyknock: {port: "));
    CHECK(has(warnings[1], "user \"bob\" has mode fwknop, and nothing listens for it (legacy: {fwknop: {}} in "));
    const Etc nobody;
    nobody.write("xknock.yaml", std::string(Etc::kMain) + OldEtc::kListeners);
    warnings = nobody.good().warnings;
    REQUIRE(warnings.size() == 2);
    CHECK(warnings[0] == "legacy.capyknock listens, and no device is of that kind");
    CHECK(warnings[1] == "legacy.fwknop listens, and no device is of that kind");
    // Neither a port of nothing, nor of another user's service, nor of UDP.
    for (const char* port : {"25", "80", "51820"}) {
        const OldEtc other;
        other.write("xknock.yaml", "interfaces: [eth0]\nservices: {ssh: tcp/22, web: tcp/80, vpn: udp/51820}\n"
                                   "process: {user: 62001, worker_user: 62002}\n" +
                                       std::string(OldEtc::kListeners));
        other.let_bob("modes: [packet, capyknock, fwknop]\n");
        other.write("users/bob.yaml", "name: bob\nservices: [ssh, vpn]\nmodes: [packet, capyknock, fwknop]\n");
        other.credential("bob.old", without(kCapyknock, "port: 22\n") + "port: " + port + "\n");
        warnings = other.good().warnings;
        REQUIRE(warnings.size() == 1);
        CHECK(has(warnings[0], "no service of user \"bob\" has port tcp/" + std::string(port)));
    }
}

TEST_CASE("without the mode in the user's file nobody knocks by an old client, and a warning says so") {
    const OldEtc etc;
    etc.let_bob("");
    const Config config = etc.good();
    CHECK(device(config, "old").modes.none());
    CHECK(device(config, "older").modes.none());
    REQUIRE(config.warnings.size() == 2);
    CHECK(has(config.warnings[0],
              "bob.old.yaml: user \"bob\" does not have mode capyknock, so this device cannot knock"));
    CHECK(has(config.warnings[1], "does not have mode fwknop"));
    etc.let_bob("modes: [packet, capyknock, fwknop]\n");
    std::filesystem::remove(etc.path / "credentials/bob.older.yaml");
    const auto warnings = etc.good().warnings;
    REQUIRE(warnings.size() == 2);
    CHECK(has(warnings[0], "user \"bob\" has mode fwknop, and no device of that kind"));
    CHECK(has(warnings[1], "legacy.fwknop listens, and no device is of that kind"));
}

TEST_CASE("a file of an old client's device has all that its packets have, and nothing else") {
    const OldEtc etc;
    CHECK(has(etc.bad_file("bob.old", without(kCapyknock, "name: QMQsrABBpkzunySvkzmizCw1\n")), "\"name\""));
    CHECK(has(etc.bad_file("bob.old", without(kCapyknock, "target: 192.0.2.1\n")), "\"target\""));
    CHECK(has(etc.bad_file("bob.old", without(kCapyknock, "port: 22\n")), "\"port\""));
    CHECK(has(etc.bad_file("bob.old", without(kCapyknock, "port: 22\n") + "port: 0\n"), "\"0\" is not a number"));
    CHECK(has(etc.bad_file("bob.old", without(kCapyknock, "target: 192.0.2.1\n") + "target: here\n"),
              "\"here\" is not an address"));
    CHECK(has(etc.bad_file("bob.old", without(kCapyknock, "factor: totp\n") + "factor: none\n"),
              "a capyknock client sends a code of 6 digits"));
    CHECK(has(etc.bad_file("bob.old", std::string(kCapyknock) + "digits: 8\n"), "a code of 6 digits"));
    CHECK(
        has(etc.bad_file("bob.old", std::string(kCapyknock) + "hmac: md5\n"), "\"hmac\" is for \"kind: fwknop\" only"));
    CHECK(has(etc.bad_file("bob.old", without(kCapyknock, "name: QMQsrABBpkzunySvkzmizCw1\n") + "name: \"a b\"\n"),
              "is not a name that capyknock sends"));
    CHECK(has(etc.bad_file("bob.old", without(kCapyknock, "kind: capyknock\n")), "for \"kind: capyknock\" only"));
    CHECK(has(etc.bad_file("bob.old", without(kCapyknock, "kind: capyknock\n") + "kind: cryptknock\n"),
              "\"cryptknock\" is none of xknock, capyknock, fwknop"));
    etc.credential("bob.old", kCapyknock);
    CHECK(has(etc.bad_file("bob.older", without(kFwknop, "factor: none\n") + "factor: totp\n"),
              "an fwknop client sends no second factor"));
    CHECK(has(etc.bad_file("bob.older", std::string(kFwknop) + "hmac: crc\n"), "\"crc\" is none of md5, sha1"));
    etc.credential("bob.older", std::string(kFwknop) + "hmac: sha512\n");
    CHECK(device(etc.good(), "older").legacy.hmac == authz::HmacKind::sha512);
}

TEST_CASE("a name of capyknock is one device's") {
    const OldEtc etc;
    std::string twin = kCapyknock;
    twin.replace(twin.find("a1"), 2, "a3");
    twin.replace(twin.find("device: old"), 11, "device: new");
    CHECK(has(etc.bad_file("bob.twin", twin), "the capyknock name \"QMQsrABBpkzunySvkzmizCw1\" is there twice"));
}

TEST_CASE("64 devices may be of kind fwknop, and not one more") {
    const OldEtc etc;
    const auto add = [&](int number) {
        char id[17];
        std::snprintf(id, sizeof id, "%016x", 0x100 + number);
        etc.credential("bob.f" + std::to_string(number), "user: bob\ndevice: f" + std::to_string(number) +
                                                             "\nid: " + id + "\nfactor: none\nkind: fwknop\n");
    };
    for (int number = 1; number < 64; ++number) // one is there
        add(number);
    CHECK(etc.good().policy.credentials.size() == 68);
    add(64);
    CHECK(has(etc.bad(), "65 devices are of kind fwknop, and 64 can be"));
}
