// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/interfaces_control.h"

#include "protocol/base/secure_file.h"
#include "tests/unit/lifecycle/recorder.h"
#include "tests/unit/recording/directory.h"
#include "tests/unit/recording/log.h"

#include <unistd.h>

#include <map>

using namespace xk;
using namespace xk::test;
using authz::EventKind;

namespace {

constexpr int kIndex = 2'000'000'000; // no interface of this machine has it

// A host: its interfaces, those that refuse a filter, and which program each has.
struct Host {
    std::map<std::string, int> there;
    std::set<std::string> refuse, generic_only;
    std::map<std::string, std::string> filter; // by interface
};

struct Links : LinksPort {
    Host& host;
    std::string program;
    Links(Host& h, std::string name) : host(h), program(std::move(name)) {}

    Result<xdp::Attachment> attach(const std::string& interface, bool allow_generic) override {
        if (!host.there.contains(interface))
            return Error{"there is no interface " + interface, {}};
        const bool generic = host.generic_only.contains(interface);
        if (host.refuse.contains(interface) || (generic && !allow_generic))
            return Error{interface + " refuses it", {}};
        host.filter[interface] = program;
        return xdp::Attachment{interface, host.there[interface], generic ? xdp::Mode::generic : xdp::Mode::native};
    }
    bool is_attached(const xdp::Attachment& attachment) const override {
        return host.filter.contains(attachment.interface);
    }
    void detach_others(const std::vector<std::string>& interfaces) override {
        std::erase_if(host.filter,
                      [&](const auto& one) { return std::ranges::find(interfaces, one.first) == interfaces.end(); });
    }
    int index_of(const std::string& interface) const override {
        const auto found = host.there.find(interface);
        return found == host.there.end() ? 0 : found->second;
    }
};

struct Attached {
    const TemporaryDirectory directory;
    Host host{.there = {{"eth0", kIndex}, {"eth1", kIndex + 1}}, .refuse = {}, .generic_only = {}, .filter = {}};
    Links counting{host, "old"}, latest{host, "old"};
    Events events;
    InterfacesControl control{
        Interfaces(directory.path(), ::geteuid()), {.latest = latest, .counting = counting}, events};

    static config::Config of(std::vector<std::string> names) {
        config::Config config = named("now");
        config.interfaces = std::move(names);
        return config;
    }
    Result<void> attach(std::vector<std::string> names) { return control.attach(of(std::move(names)), kNow); }
    // The last one: "eth0 (native)", and whether its filter had been taken off.
    std::string attached() const {
        std::string text;
        for (const authz::Event& event : events.all)
            if (event.kind == EventKind::attached)
                text = event.detail + " (" + event.more + ")" + (event.again ? " again" : "");
        return text;
    }
    std::string file() const {
        FileRules rules;
        rules.owner = ::geteuid();
        const auto content = read_checked(Interfaces::file_in(directory.path()), rules);
        return content ? *content : "";
    }
    using Filters = std::map<std::string, std::string>;
};

} // namespace

TEST_CASE("interfaces get the filter, others lose it, and both are events") {
    Attached a;
    REQUIRE(a.attach({"eth0"}).has_value());
    CHECK(a.host.filter == Attached::Filters{{"eth0", "old"}});
    CHECK(a.attached() == "eth0 (native)");
    REQUIRE(a.attach({"eth1"}).has_value());
    CHECK(a.host.filter == Attached::Filters{{"eth1", "old"}});
    CHECK(a.attached() == "eth1 (native)");
    CHECK(a.events.texts(EventKind::detached) == std::vector<std::string>{"eth0"});
}

TEST_CASE("the log says which interfaces are slower, and which have no filter") {
    Attached a;
    a.host.generic_only = {"eth0"};
    a.host.refuse = {"eth2"};
    a.host.there["eth2"] = kIndex + 2;
    config::Config config = Attached::of({"eth0", "eth1", "eth2", "vpn0"});
    config.allow_generic = true;
    const CapturedLog log;
    REQUIRE(a.control.attach(config, kNow));
    CHECK(log.has("warning eth0: its driver has no native XDP"));
    CHECK_FALSE(log.has("eth1"));
    CHECK(log.has("error eth2 has no filter, and knocks are not heard there: eth2 refuses it"));
    CHECK(log.has("warning vpn0 has no filter, and knocks are not heard there: there is no interface vpn0 ("));
    CHECK_FALSE(log.has("eth0 has no filter"));
    // A reload shows the operator those without one.
    CHECK(a.control.all().warnings() ==
          std::vector<std::string>{"eth2 has no filter, and knocks are not heard there: eth2 refuses it",
                                   "vpn0 has no filter, and knocks are not heard there: there is no interface vpn0"});
}

TEST_CASE("a reload that an interface refuses leaves all of them as they were") {
    Attached a;
    REQUIRE(a.attach({"eth0"}).has_value());
    const std::size_t events = a.events.all.size();
    a.latest.program = "new";
    a.host.refuse = {"eth1"};
    REQUIRE_FALSE(a.attach({"eth0", "eth1"}).has_value());
    CHECK(a.host.filter == Attached::Filters{{"eth0", "old"}}); // the new one was on it for a moment
    CHECK(a.control.all().text() == "eth0 (native)");
    CHECK(a.file() == "xknock-interfaces 1\neth0\n");
    CHECK(a.events.all.size() == events);
}

TEST_CASE("a reload that fails later gives the interfaces back, and what a start waits for too") {
    Attached a;
    a.host.generic_only = {"eth0"};
    config::Config old = Attached::of({"eth0"});
    old.allow_generic = true;
    REQUIRE(a.control.attach(old, kNow).has_value());
    a.latest.program = "new";
    REQUIRE(a.attach({"eth1"}).has_value());
    CHECK(a.file() == "xknock-interfaces 1\neth1\n");
    a.control.go_back();
    CHECK(a.host.filter == Attached::Filters{{"eth0", "old"}}); // in the mode of before
    CHECK(a.control.all().text() == "eth0 (generic)");
    CHECK(a.file() == "xknock-interfaces 1\neth0\n");
    CHECK(a.attached() == "eth0 (generic)");
    CHECK(a.events.texts(EventKind::detached).back() == "eth1");
}

TEST_CASE("a start that fails takes the filter of a daemon before it from no interface") {
    Attached a;
    a.host.filter = {{"eth1", "before"}};
    a.host.refuse = {"eth0"};
    REQUIRE_FALSE(a.attach({"eth1x", "eth0x"}).has_value());
    CHECK(a.host.filter == Attached::Filters{{"eth1", "before"}});
    CHECK(a.events.all.empty());
}

TEST_CASE("a reload must leave an interface with the filter, and a start waits only for those that had it") {
    Attached a;
    CHECK_FALSE(a.attach({"vpn0"}).has_value()); // a mistyped name
    REQUIRE(a.attach({"eth0", "vpn0"}).has_value());
    CHECK(a.control.all().text() == "eth0 (native), vpn0 (missing)");
    CHECK_FALSE(a.attach({"vpn0"}).has_value());
    CHECK(a.host.filter.contains("eth0"));
    // A start that finds eth0 gone waits for it.
    a.host.there.clear();
    InterfacesControl next(Interfaces(a.directory.path(), ::geteuid()), {.latest = a.latest, .counting = a.counting},
                           a.events);
    CHECK(next.attach(Attached::of({"eth0"}), kNow).has_value());
    CHECK(next.all().text() == "eth0 (missing)");
}

TEST_CASE("an interface that comes gets the filter, and one that loses it gets it again") {
    Attached a;
    REQUIRE(a.attach({"eth0", "vpn0"}).has_value());
    const config::Config config = Attached::of({"eth0", "vpn0"});
    CHECK_FALSE(a.control.keep_attached(config, kNow));
    a.host.there["vpn0"] = kIndex + 7;
    CHECK(a.control.keep_attached(config, kNow));
    CHECK(a.host.filter.contains("vpn0"));
    CHECK(a.attached() == "vpn0 (native)");
    a.host.filter.erase("eth0"); // somebody took it away
    CHECK(a.control.keep_attached(config, kNow));
    CHECK(a.host.filter.contains("eth0"));
    CHECK(a.attached() == "eth0 (native) again");
    a.host.filter.erase("vpn0");
    a.host.there.erase("vpn0");
    CHECK(a.control.keep_attached(config, kNow));
    CHECK(a.events.texts(EventKind::detached) == std::vector<std::string>{"vpn0"});
    CHECK(a.events.all.back().more.find("there is no interface") != std::string::npos);
    // By the same name another one comes.
    a.host.there["vpn0"] = kIndex + 8;
    CHECK(a.control.keep_attached(config, kNow));
    CHECK(a.attached() == "vpn0 (native)");
}

TEST_CASE("a file that cannot even be looked for is logged, and not one that is missing") {
    const TemporaryDirectory directory;
    const CapturedLog log;
    const Interfaces none(directory.path(), ::geteuid());
    CHECK(log.text().empty());
    std::filesystem::create_symlink("interfaces", Interfaces::file_in(directory.path())); // it leads to itself
    const Interfaces lost(directory.path(), ::geteuid());
    CHECK(log.text().starts_with("error "));
}
