// SPDX-License-Identifier: MIT
#include "etc.h"

#include "protocol/encoding.h"

using namespace xk;
using namespace xk::config;
using namespace std::chrono_literals;
using test::Etc;
using test::has;

TEST_CASE("credentials inherit what their user may") {
    const Etc etc;
    const Config c = etc.good();
    REQUIRE(c.policy.credentials.size() == 3);
    REQUIRE(c.secrets.size() == 3);
    const auto& laptop = c.policy.credentials[0];
    CHECK(laptop.label() == "anna/laptop");
    CHECK(laptop.factor == FactorKind::totp);
    CHECK(laptop.totp_digits == 6);
    CHECK(laptop.services.count() == 2);
    CHECK(laptop.lifetime == 0s);
    CHECK(laptop.max_lifetime == 0s);
    CHECK(laptop.binding == authz::Binding::any);
    CHECK(to_hex(laptop.id) == "0000000000000001");
    CHECK(c.secrets[0].key == (etc.path / "credentials/anna.laptop.key").string());
    CHECK(c.secrets[0].factor == (etc.path / "credentials/anna.laptop.otp").string());
    const auto& pc = c.policy.credentials[2];
    CHECK(pc.label() == "bob/pc");
    CHECK(pc.services.count() == 1);
    CHECK(pc.binding == authz::Binding::match);
    CHECK(pc.lifetime == 10s);
    CHECK(pc.max_lifetime == 20s);
    CHECK(c.secrets[2].factor.empty());
    CHECK(open_secrets(c, 0).value().size() == 2);
    CHECK(open_secrets(c, 2).value().size() == 1);
}

TEST_CASE("a disabled user disables all their devices, a disabled device only itself") {
    const Etc etc;
    etc.write("users/anna.yaml", "name: anna\nservices: [ssh]\nenabled: false\n");
    etc.credential("bob.pc", "user: bob\ndevice: pc\nid: 0000000000000003\nfactor: none\nenabled: false\n");
    etc.credential("bob.tab", "user: bob\ndevice: tab\nid: 0000000000000004\nfactor: none\n");
    const Config c = etc.good();
    for (const auto& credential : c.policy.credentials)
        CHECK(credential.enabled == (credential.label() == "bob/tab"));
}

TEST_CASE("each fault of a user or credential is named") {
    const Etc etc;
    const auto bad_user = [&](const std::string& text) {
        etc.write("users/anna.yaml", text);
        return etc.bad();
    };
    CHECK(has(bad_user("services: [ssh]\n"), "users/anna.yaml:1:1: \"name\" is missing"));
    CHECK(has(bad_user("name: anna\n"), "\"services\" is missing"));
    CHECK(has(bad_user("name: \"an na\"\nservices: [ssh]\n"), "users/anna.yaml:1:7: \"an na\" is not a name"));
    CHECK(has(bad_user("name: anna\nservices: [ssh]\nadmin: true\n"), "users/anna.yaml:3:1: unknown key \"admin\""));
    CHECK(has(bad_user("name: anna\nservices: [ssh]\nlifetime: 0s\n"), "is no time at all"));
    CHECK(has(bad_user("name: anna\nservices: [ssh]\nlifetime: 2h\nmax_lifetime: 1h\n"),
              "lifetime is longer than max_lifetime"));
    CHECK(has(bad_user("name: anna\nservices: [ssh]\nvalid_until: tomorrow\n"), "\"tomorrow\" is not a date"));
    CHECK(has(bad_user("name: anna\nservices: [ssh]\nvalid_from: 2026-02-01\nvalid_until: 2026-01-01\n"),
              "valid_until is not after valid_from"));
    CHECK(has(bad_user("name: bob\nservices: [ssh]\n"),
              "users/bob.yaml:1:7: user \"bob\" is there twice (the first is at users/anna.yaml:1:7)"));
    etc.write("users/anna.yaml", "name: anna\nservices: [ssh, web]\n");

    const auto bad_credential = [&](const std::string& text) {
        etc.write("credentials/anna.phone.yaml", text);
        return etc.bad();
    };
    const std::string rest = "device: phone\nid: 0000000000000002\nfactor: hmac\n";
    CHECK(has(bad_credential("device: phone\n"), "credentials/anna.phone.yaml:1:1: \"user\" is missing"));
    CHECK(has(bad_credential("user: carl\n" + rest), "credentials/anna.phone.yaml:1:7: there is no user \"carl\""));
    CHECK(
        has(bad_credential("user: anna\ndevice: phone\nid: 123\nfactor: hmac\n"), "\"123\" is not a credential's id"));
    CHECK(has(bad_credential("user: anna\ndevice: phone\nid: 0000000000000000\nfactor: hmac\n"), "not all zero"));
    CHECK(has(bad_credential("user: anna\ndevice: phone\nid: ffffffffffffffff\nfactor: hmac\n"), "not all f"));
    CHECK(has(bad_credential("user: anna\ndevice: phone\nid: 0000000000000001\nfactor: hmac\n"),
              "credential id 0000000000000001 is there twice (the first is at credentials/anna.laptop.yaml:1:1)"));
    CHECK(has(bad_credential("user: anna\ndevice: laptop\nid: 0000000000000002\nfactor: hmac\n"),
              "device \"anna/laptop\" is there twice"));
    CHECK(has(bad_credential("user: anna\ndevice: phone\nid: 0000000000000002\nfactor: sms\n"),
              "\"sms\" is not a second factor (write totp, hotp, hmac or none)"));
    CHECK(has(bad_credential("user: anna\n" + rest + "digits: 7\n"), "a code has 6 or 8 digits"));
}

TEST_CASE("a secret that others can read, or that is not there, is named with the remedy") {
    const Etc etc;
    etc.write("credentials/anna.laptop.key", "x", 0644);
    etc.write("credentials/anna.laptop.otp", "x", 0604);
    CHECK(has(etc.bad(), "credentials/anna.laptop.key: can be read by others (mode 0644) (chgrp 62001"));
    CHECK(has(etc.bad(), "credentials/anna.laptop.otp: can be read by others (mode 0604)"));
    std::filesystem::remove(etc.path / "credentials/anna.laptop.key");
    CHECK(has(etc.bad(), "No such file"));
}

TEST_CASE("files that others can write are refused") {
    const Etc etc;
    etc.write("users/anna.yaml", "name: anna\nservices: [ssh]\n", 0666);
    CHECK(has(etc.bad(), "users/anna.yaml: can be written by others (mode 0666)"));
}

TEST_CASE("a user without a credential is worth a warning, not a fault") {
    const Etc etc;
    etc.write("users/carl.yaml", "name: carl\nservices: [ssh]\n");
    const Config c = etc.good();
    REQUIRE(c.warnings.size() == 1);
    CHECK(has(c.warnings[0], "user \"carl\" has no credential"));
}

TEST_CASE("only .yaml files that are not hidden are read") {
    const Etc etc;
    for (const char* name : {"users/anna.yaml~", "users/.anna.yaml", "users/anna.yaml.dpkg-old"})
        etc.write(name, "nonsense: true\n");
    CHECK(etc.good().policy.credentials.size() == 3);
}

TEST_CASE("a fault in one user's or device's file leaves out that one, when it is asked for") {
    const auto labels = [](const Etc& etc) {
        const auto config = etc.load_others();
        REQUIRE_MESSAGE(config.has_value(), (config ? "" : config.error().message));
        std::string all;
        for (const authz::Credential& credential : config->policy.credentials)
            all += credential.label() + " ";
        CHECK(config->secrets.size() == config->policy.credentials.size());
        return all + std::to_string(config->disabled.size());
    };
    SUBCASE("a good configuration has all") {
        const Etc etc;
        CHECK(labels(etc) == "anna/laptop anna/phone bob/pc 0");
    }
    SUBCASE("a user's file: their devices are out too, and have no fault of their own") {
        const Etc etc;
        for (const char* text :
             {"name: anna\nservices: ssh\nlifetme: 1s\n", "[", "name: anna\nservices: [shh]\n", "services: ssh\n",
              "name: \"\"\nservices: ssh\n", "name: anna\nservices: ssh\nhours: []\n"}) {
            etc.write("users/anna.yaml", text);
            CHECK_MESSAGE(labels(etc) == "bob/pc 1", text);
        }
        CHECK(etc.load_others()->disabled[0].file == (etc.path / "users/anna.yaml").string());
        CHECK(has(etc.load_others()->disabled[0].faults[0], "users/anna.yaml:3:8: \"hours\" is an empty list"));
    }
    SUBCASE("a device's file, or its secrets") {
        const Etc etc;
        etc.credential("anna.laptop", "user: anna\ndevice: laptop\nid: 01\nfactor: totp\n");
        CHECK(labels(etc) == "anna/phone bob/pc 1");
        etc.write("credentials/anna.phone.key", "x", 0644);
        CHECK(labels(etc) == "bob/pc 2");
    }
    SUBCASE("what two files claim is nobody's, whichever is read first") {
        for (const char* stem : {"aaaa", "zzzz"}) {
            const Etc etc;
            etc.credential(stem, "user: bob\ndevice: other\nid: 0000000000000002\nfactor: none\n");
            CHECK(labels(etc) == "anna/laptop bob/pc 2");
        }
        for (const char* stem : {"aaaa", "zzzz"}) {
            const Etc etc;
            etc.write(std::string("users/") + stem + ".yaml", "name: anna\nservices: [ssh]\n");
            CHECK(labels(etc) == "bob/pc 2");
        }
        const Etc etc; // also where the other one has another fault besides
        etc.credential("bob.other", "user: bob\ndevice: other\nid: 0000000000000002\nfactor: nonsense\n");
        CHECK(labels(etc) == "anna/laptop bob/pc 2");
        etc.write("users/robert.yaml", "name: bob\nservices: [ssh]\nlifetme: 1s\n");
        CHECK(labels(etc) == "anna/laptop 4");
    }
    SUBCASE("the file of a user with a fault lends its name to nobody") {
        const Etc etc;
        etc.write("users/robert.yaml", "name: bob\nservices: [ssh]\nlifetme: 1s\n");
        etc.credential("robert.pc", "user: robert\ndevice: pc\nid: 0000000000000009\nfactor: none\n");
        CHECK(labels(etc) == "anna/laptop anna/phone 2");
    }
    SUBCASE("everything else is a fault of the whole, with those of the files") {
        const Etc etc;
        etc.write("server_id", "none");
        etc.write("users/anna.yaml", "[");
        const auto config = etc.load_others();
        REQUIRE_FALSE(config.has_value());
        CHECK(has(config.error().message, "server_id"));
        CHECK(has(config.error().message, "users/anna.yaml"));
    }
}

TEST_CASE("a credential that is taken out leaves the others with their secrets, and says why") {
    const Etc etc;
    config::Config config = etc.good();
    const auto first = config.policy.credentials[0].id, second = config.policy.credentials[1].id;
    const std::string file = config.secrets[0].described_in, key = config.secrets[1].key;
    config::disable(config, 0, Error{"is not a key", "make a new one"});
    CHECK(config.policy.credentials.size() == 2);
    CHECK(config.secrets.size() == 2);
    CHECK(config.secrets[0].key == key);
    CHECK_FALSE(config.policy.find_credential(first));
    CHECK(config.policy.find_credential(second) == std::optional<std::size_t>(0));
    REQUIRE(config.disabled.size() == 1);
    CHECK(config.disabled[0].faults == std::vector<std::string>{"is not a key (make a new one)"});
    CHECK(config::names(config.disabled, file));
    CHECK_FALSE(config::names(config.disabled, config.secrets[0].described_in));
    config::disable(config, 1, Error{"is no file", {}});
    CHECK(config.disabled[1].faults == std::vector<std::string>{"is no file"});
}

TEST_CASE("there are ten thousand credentials at most" * doctest::test_suite("long")) {
    const Etc etc;
    const auto add = [&](std::size_t n) {
        const std::string stem = "bob.d" + std::to_string(n);
        char id[17];
        std::snprintf(id, sizeof id, "%016zx", n + 100);
        etc.write("credentials/" + stem + ".yaml",
                  "user: bob\ndevice: d" + std::to_string(n) + "\nid: " + id + "\nfactor: none\n");
        etc.write("credentials/" + stem + ".key", std::string(44, 'A'), 0600);
    };
    for (std::size_t n = 3; n <= authz::kMaxCredentials; ++n) // Etc has three of its own
        add(n);
    const std::string faults = etc.bad();
    const auto at = faults.find("there are more than 10000 credentials");
    CHECK(at != faults.npos);
    CHECK(faults.find("there are more than", at + 1) == faults.npos); // the others have their place
}
