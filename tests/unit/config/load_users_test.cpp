// SPDX-License-Identifier: MIT
// load_users(): the files of some users are read again, and no other file.
#include "etc.h"

#include <algorithm>

using namespace xk;
using namespace xk::config;
using test::Etc;
using test::has;

namespace {

Config again(const Config& counts, const std::set<std::string>& users) {
    auto next = load_users(counts, users);
    REQUIRE_MESSAGE(next.has_value(), (next ? "" : next.error().message));
    return *std::move(next);
}

const authz::Credential* find(const Config& config, const std::string& label) {
    const auto found = std::ranges::find(config.policy.credentials, label, &authz::Credential::label);
    return found == config.policy.credentials.end() ? nullptr : &*found;
}

// Both must be the same in all that counts, also in order: places, lists and the next load follow from it.
void check_same(const Config& a, const Config& b) {
    CHECK(a.policy.credentials == b.policy.credentials);
    REQUIRE(a.secrets.size() == b.secrets.size());
    for (std::size_t i = 0; i < a.secrets.size(); ++i) {
        CHECK(a.secrets[i].key == b.secrets[i].key);
        CHECK(a.secrets[i].factor == b.secrets[i].factor);
        CHECK(a.secrets[i].described_in == b.secrets[i].described_in);
    }
    REQUIRE(a.users.size() == b.users.size());
    for (std::size_t i = 0; i < a.users.size(); ++i) {
        CHECK(a.users[i].name == b.users[i].name);
        CHECK(a.users[i].services == b.users[i].services);
        CHECK(a.users[i].file == b.users[i].file);
    }
    REQUIRE(a.disabled.size() == b.disabled.size());
    for (std::size_t i = 0; i < a.disabled.size(); ++i) {
        CHECK(a.disabled[i].file == b.disabled[i].file);
        CHECK(a.disabled[i].faults == b.disabled[i].faults);
    }
}

} // namespace

TEST_CASE("after any change of one user the result is that of a whole load") {
    const std::pair<const char*, std::function<void(const Etc&)>> changes[] = {
        {"nothing", [](const Etc&) {}},
        {"a right", [](const Etc& e) { e.write("users/anna.yaml", "name: anna\nservices: ssh\nlifetime: 5s\n"); }},
        {"all services", [](const Etc& e) { e.write("users/anna.yaml", "name: anna\nservices: all\n"); }},
        {"disabled", [](const Etc& e) { e.write("users/anna.yaml", "name: anna\nservices: all\nenabled: false\n"); }},
        {"a device more",
         [](const Etc& e) {
             e.credential("anna.pad", "user: anna\ndevice: pad\nid: 0000000000000009\nfactor: hmac\n");
         }},
        {"a device less", [](const Etc& e) { std::filesystem::remove(e.path / "credentials/anna.laptop.yaml"); }},
        {"a user less",
         [](const Etc& e) {
             for (const char* file : {"users/anna.yaml", "credentials/anna.laptop.yaml", "credentials/anna.phone.yaml"})
                 std::filesystem::remove(e.path / file);
         }},
        {"a fault of the user", [](const Etc& e) { e.write("users/anna.yaml", "name: anna\nservces: ssh\n"); }},
        {"a fault of a device", [](const Etc& e) { e.write("credentials/anna.phone.yaml", "user: anna\n"); }},
        {"a secret that others can read", [](const Etc& e) { e.write("credentials/anna.phone.key", "x", 0644); }},
        {"secrets of another name",
         [](const Etc& e) {
             e.write("credentials/anna.phone.yaml",
                     "user: anna\ndevice: phone\nid: 0000000000000002\nfactor: hmac\nsecrets: anna.phone.1\n");
             for (const char* end : {".key", ".otp"})
                 std::filesystem::rename(e.path / (std::string("credentials/anna.phone") + end),
                                         e.path / (std::string("credentials/anna.phone.1") + end));
         }},
    };
    for (const auto& one : changes) {
        const char* const name = one.first;
        CAPTURE(name);
        const Etc etc;
        const Config counts = etc.good();
        one.second(etc);
        auto whole = etc.load_others();
        REQUIRE(whole.has_value());
        check_same(again(counts, {"anna"}), *whole);
        // And back: a fault that is mended is no fault any more.
        etc.write("users/anna.yaml", "name: anna\nservices: [ssh, web]\n");
        etc.credential("anna.laptop", "user: anna\ndevice: laptop\nid: 0000000000000001\nfactor: totp\n");
        etc.credential("anna.phone", "user: anna\ndevice: phone\nid: 0000000000000002\nfactor: hmac\n");
        whole = etc.load_others();
        REQUIRE(whole.has_value());
        check_same(again(again(counts, {"anna"}), {"anna"}), *whole);
    }
}

TEST_CASE("nothing of another user, and nothing of the main file, is read") {
    const Etc etc;
    const Config counts = etc.good();
    etc.write("xknock.yaml", "[");
    etc.write("users/bob.yaml", "[");
    etc.write("credentials/bob.pc.yaml", "[");
    std::filesystem::remove(etc.path / "credentials/bob.pc.key");
    etc.write("users/anna.yaml", "name: anna\nservices: web\n");
    const Config next = again(counts, {"anna"});
    CHECK(next.disabled.empty());
    REQUIRE(find(next, "bob/pc") != nullptr);
    CHECK(*find(next, "bob/pc") == *find(counts, "bob/pc"));
    CHECK(find(next, "anna/phone")->services.count() == 1);
}

TEST_CASE("a rename reads both names") {
    const Etc etc;
    const Config counts = etc.good();
    etc.write("users/zoe.yaml", "name: zoe\nservices: [ssh, web]\n");
    std::filesystem::remove(etc.path / "users/anna.yaml");
    for (const std::string device : {"laptop", "phone"}) {
        etc.write("credentials/zoe." + device + ".yaml", "user: zoe\ndevice: " + device + "\nid: 000000000000000" +
                                                             (device == "laptop" ? "1" : "2") +
                                                             "\nfactor: hmac\nsecrets: anna." + device + "\n");
        std::filesystem::remove(etc.path / ("credentials/anna." + device + ".yaml"));
    }
    const auto whole = etc.load_others();
    REQUIRE(whole.has_value());
    check_same(again(counts, {"anna", "zoe"}), *whole);
    // Where only the old name is read, its devices are gone with it, and nobody is taken for another.
    const Config half = again(counts, {"anna"});
    CHECK(half.policy.credentials.size() == 1);
}

TEST_CASE("a name with dots is another user's, whose file has such a name too") {
    const Etc etc;
    etc.write("users/anna.x.yaml", "name: anna.x\nservices: ssh\n");
    etc.credential("anna.x.pc", "user: anna.x\ndevice: pc\nid: 0000000000000007\nfactor: hmac\n");
    const Config counts = etc.good();
    const Config next = again(counts, {"anna"});
    check_same(next, counts);
    // Not even where it is new.
    etc.credential("anna.x.tv", "user: anna.x\ndevice: tv\nid: 0000000000000008\nfactor: hmac\n");
    check_same(again(counts, {"anna"}), counts);
    CHECK(find(again(counts, {"anna.x"}), "anna.x/tv") != nullptr);
    // Nor where it has a fault.
    etc.write("credentials/anna.x.tv.yaml", "user: anna.x\ndevice: tv\nid: 0000000000000008\nfactor: sms\n");
    check_same(again(counts, {"anna"}), counts);
}

TEST_CASE("what another user's device has is not had twice") {
    const Etc etc;
    const Config counts = etc.good();
    const auto faults = [&](const std::string& text) {
        etc.credential("anna.pad", text);
        const Config next = again(counts, {"anna"});
        REQUIRE(next.disabled.size() == 1);
        CHECK(find(next, "anna/pad") == nullptr);
        CHECK(find(next, "bob/pc") != nullptr); // who had it first keeps it
        return next.disabled[0].faults.at(0);
    };
    CHECK(has(faults("user: anna\ndevice: pad\nid: 0000000000000003\nfactor: hmac\n"),
              "credential id 0000000000000003 is there twice (the first is at"));
    CHECK(has(faults("user: anna\ndevice: pad\nid: 0000000000000009\nfactor: hmac\nsecrets: bob.pc\n"),
              "is there twice (the first is at"));
}

TEST_CASE("a file that describes another user now waits for a reload of all") {
    const Etc etc;
    const Config counts = etc.good();
    etc.write("users/anna.yaml", "name: bob\nservices: ssh\n");
    Config next = again(counts, {"anna"});
    REQUIRE(next.disabled.size() == 1);
    CHECK(
        has(next.disabled[0].faults.at(0), "user \"bob\" is described here now (\"knockctl reload\" reads all files)"));
    etc.write("users/anna.yaml", "name: anna\nservices: ssh\n");
    etc.write("credentials/anna.phone.yaml", "user: bob\ndevice: phone\nid: 0000000000000002\nfactor: hmac\n");
    next = again(counts, {"anna"});
    REQUIRE(next.disabled.size() == 1);
    CHECK(has(next.disabled[0].faults.at(0), "describes a device of another user now"));
}

TEST_CASE("warnings are about these users alone") {
    const Etc etc;
    etc.write("users/carl.yaml", "name: carl\nservices: ssh\n");
    etc.write("users/dora.yaml", "name: dora\nservices: ssh\n");
    const Config counts = etc.good();
    CHECK(counts.warnings.size() == 2);
    const Config next = again(counts, {"carl"});
    REQUIRE(next.warnings.size() == 1);
    CHECK(has(next.warnings[0], "user \"carl\" has no credential"));
}

TEST_CASE("load_main() reads no users, and load_users() adds those that are wanted") {
    const Etc etc;
    const auto main = load_main((etc.path / "xknock.yaml").string());
    REQUIRE(main.has_value());
    CHECK(main->policy.services.size() == 2);
    CHECK(main->policy.credentials.empty());
    const Config some = again(*main, {"bob"});
    CHECK(some.policy.credentials.size() == 1);
    CHECK(some.users.size() == 1);
    std::filesystem::remove(etc.path / "server_id");
    CHECK_FALSE(load_main((etc.path / "xknock.yaml").string()).has_value());
    CHECK(load_main((etc.path / "xknock.yaml").string(), Identity::absent).has_value());
}

TEST_CASE("\"services: all\" is every service, also one that comes later, and stands alone") {
    const Etc etc;
    etc.write("users/anna.yaml", "name: anna\nservices: all\n");
    CHECK(find(etc.good(), "anna/laptop")->services.count() == 2);
    etc.write("xknock.yaml", std::string(Etc::kMain) + "port: 4242\n");
    etc.write("xknock.yaml", "interfaces: [eth0]\nservices: {a: tcp/1, b: tcp/2, ssh: tcp/22}\n"
                             "process: {user: 62001, worker_user: 62002}\n");
    CHECK(find(etc.good(), "anna/laptop")->services.count() == 3);
    CHECK(find(etc.good(), "bob/pc")->services.count() == 1);
    for (const char* list : {"[all]", "[\"all\"]", "\"all\""}) {
        etc.write("users/anna.yaml", std::string("name: anna\nservices: ") + list + "\n");
        CHECK(find(etc.good(), "anna/laptop")->services.count() == 3);
    }
    etc.write("users/anna.yaml", "name: anna\nservices: [all, ssh]\n");
    CHECK(has(etc.bad(), "users/anna.yaml:2:11: \"all\" stands alone, without other items"));
}

TEST_CASE("\"secrets\" names the files of a credential, and no path") {
    const Etc etc;
    const std::string rest = "user: anna\ndevice: laptop\nid: 0000000000000001\nfactor: totp\n";
    etc.write("credentials/anna.laptop.yaml", rest + "secrets: anna.laptop.2\n");
    CHECK(has(etc.bad(), "credentials/anna.laptop.2.key: No such file"));
    for (const char* bad : {"../key", "a/b", "/etc/x", ".hidden", "\"\"", "\"a b\""}) {
        etc.write("credentials/anna.laptop.yaml", rest + "secrets: " + bad + "\n");
        CHECK(has(etc.bad(), "is not the name of a credential's files"));
    }
    etc.write("credentials/anna.laptop.yaml", rest + "secrets: anna.phone\n");
    CHECK(has(etc.bad(), "is there twice"));
}

TEST_CASE("hosts and server of a credential are for the profile, and are checked") {
    const Etc etc;
    const std::string rest = "user: anna\ndevice: laptop\nid: 0000000000000001\nfactor: totp\n";
    etc.write("credentials/anna.laptop.yaml", rest + "hosts: [a.example, 192.0.2.1]\nserver: b.example\n");
    (void)etc.good();
    etc.write("credentials/anna.laptop.yaml", rest + "hosts: [\"a b\"]\n");
    CHECK(has(etc.bad(), "\"a b\" is not a host"));
    etc.write("credentials/anna.laptop.yaml", rest + "hosts: []\n");
    CHECK(has(etc.bad(), "\"hosts\" is an empty list"));
}
