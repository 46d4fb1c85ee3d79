// SPDX-License-Identifier: MIT
// Bans are the same in book, file, filter, nftables and with the listener, whatever fails.
#include "daemon/bans/bans.h"

#include "tests/unit/recording/events.h"
#include "tests/unit/recording/filter.h"
#include "tests/unit/recording/sets.h"

#include <doctest/doctest.h>

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>

using namespace xk;
using namespace xk::test;
using namespace std::chrono_literals;
using authz::EventKind;

namespace {

Address address(const char* text) { return Address::parse(text).value(); }
Prefix prefix(const std::string& text) { return Prefix::parse(text).value(); }

struct RecordingListener final : BanListener {
    std::map<Prefix, std::optional<BootTime>> bans;
    bool gone = false;

    Result<void> on_banned(const Prefix& p, const std::optional<BootTime>& until) override {
        if (gone)
            return Error{"gone", {}};
        bans[p] = until;
        return {};
    }
    Result<void> on_unbanned(const Prefix& p) override {
        if (gone)
            return Error{"gone", {}};
        bans.erase(p);
        return {};
    }
};

config::Config make_config() {
    config::Config config;
    config.allow = {prefix("198.51.100.0/24")};
    config.never_ban = {prefix("192.0.2.64/26")};
    authz::Service ssh;
    ssh.name = authz::Name("ssh");
    ssh.id = service_id("ssh");
    ssh.ports[ssh.port_count++] = PortRange::parse("tcp/22").value();
    config.policy.services = {ssh};
    authz::Credential anna;
    anna.id = {1};
    anna.user = authz::Name("anna");
    anna.binding = authz::Binding::explicit_;
    anna.services.set(0);
    config.policy.credentials = {anna};
    config.policy.make_index();
    return config;
}

struct Ground {
    explicit Ground(config::Config c = make_config()) : config(std::make_shared<const config::Config>(std::move(c))) {
        char name[] = "/tmp/xk-bans.XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        directory = name;
        REQUIRE(bans.adopt(file(), now));
    }
    ~Ground() { std::filesystem::remove_all(directory); }
    Ground(const Ground&) = delete;
    Ground& operator=(const Ground&) = delete;

    BanFile file() const { return {directory, "00112233445566778899aabbccddeeff"}; }
    std::string content() const {
        std::ifstream in(directory + "/" + BanFile::kName);
        return {std::istreambuf_iterator<char>(in), {}};
    }
    void pass(std::chrono::seconds time) {
        now.boot += time;
        now.wall += time;
    }
    Result<Bans::Banned> ban(const std::vector<Prefix>& prefixes, std::optional<std::chrono::seconds> time = 60s,
                             const char* owner = "sshd", unsigned ipv6_prefix = 128) {
        return bans.ban({prefixes, time, owner, ipv6_prefix}, own, now);
    }
    Result<Bans::Banned> ban(const char* text, std::optional<std::chrono::seconds> time = 60s,
                             const char* owner = "sshd") {
        return ban(std::vector{prefix(text)}, time, owner);
    }
    Result<std::size_t> unban(const char* text, const std::optional<std::string>& owner = {}) {
        return bans.unban({prefix(text)}, owner, now);
    }

    // All places hold what the book says.
    void check_same() {
        BanMaps wanted;
        RecordingBanFilter reference(none, wanted);
        REQUIRE(reference.replace_bans(bans.book()));
        CHECK(maps == wanted);
        std::size_t addresses = 0;
        for (const bool v4 : {true, false})
            for (const nft::Element& e : sets.elements(v4 ? "banned4" : "banned6")) {
                const auto& list = bans.list().all();
                const auto ban = list.find(Prefix::of(nft::parse_address_key(e.key).value()));
                REQUIRE(ban != list.end());
                CHECK(e.comment == ban->second.reason);
                CHECK(e.timeout.has_value() == ban->second.until.has_value());
                if (ban->second.until)
                    CHECK(e.expires == *ban->second.until - now.boot);
                ++addresses;
            }
        CHECK(addresses == bans.list().addresses());
        for (const bool v4 : {true, false})
            for (const nft::Element& e : sets.elements(v4 ? "banned_networks4" : "banned_networks6"))
                if (!e.interval_end)
                    CHECK(bans.list().all().contains({nft::parse_address_key(e.key).value(), e.data.at(0)}));
        for (const auto& [p, ban] : bans.list().all())
            if (!p.is_single())
                CHECK_MESSAGE(is_in_networks(p), p.text());
        auto kept = file().read().value();
        REQUIRE(kept);
        (void)kept->expire(now.boot); // the file forgets nothing by itself
        CHECK(kept->all() == bans.book().all());
    }
    bool is_in_networks(const Prefix& p) const {
        for (const nft::Element& e : sets.elements(p.is_v4() ? "banned_networks4" : "banned_networks6"))
            if (!e.interval_end && Prefix{nft::parse_address_key(e.key).value(), e.data.at(0)}.contains(p))
                return true;
        return false;
    }

    Now now{WallTime(1'700'000'005s), BootTime(1'000'000s)};
    Faults faults, none;
    std::string directory;
    RecordingSets sets{faults, now.boot};
    BanMaps maps;
    RecordingListener listener;
    RecordingEvents events;
    std::set<Address> own{address("192.0.2.1")};
    std::shared_ptr<const config::Config> config;
    Grants grants{sets, config, [this] { return now.boot; }};
    Bans bans{{.sets = sets, .grants = grants, .listener = listener, .sink = events},
              std::make_unique<RecordingBanFilter>(faults, maps),
              config};
};

// As often as the operation has steps, each time with another one failing: everything is as it was then.
void fail_at_each_step(Ground& ground, const std::function<bool()>& operation) {
    for (std::size_t step = 1;; ++step) {
        const auto book = ground.bans.book().all();
        const auto elements = ground.sets.dump();
        const auto listener = ground.listener.bans;
        const BanMaps maps = ground.maps;
        ground.events.all.clear();
        ground.faults.fail_at(step);
        const bool done = operation();
        const bool struck = ground.faults.struck();
        ground.faults.none();
        ground.check_same();
        if (!struck) {
            CHECK(done);
            CHECK(step > 1);
            CHECK_FALSE(ground.events.all.empty());
            return;
        }
        CHECK_FALSE(done);
        CHECK(ground.bans.book().all() == book);
        CHECK(ground.sets.dump() == elements);
        CHECK(ground.listener.bans == listener);
        CHECK(ground.maps == maps);
        CHECK(ground.events.all.empty());
    }
}

} // namespace

TEST_CASE("a ban that fails anywhere is nowhere") {
    Ground ground;
    fail_at_each_step(ground, [&] {
        return ground.ban({prefix("203.0.113.5"), prefix("203.0.113.128/25"), prefix("2001:db8::5")}).has_value();
    });
    CHECK(ground.bans.list().all().size() == 3);
    CHECK(ground.listener.bans.size() == 3);
    CHECK(ground.sets.commits() == 1);
    CHECK(ground.maps.addresses == 2);
    CHECK(ground.maps.networks == 1);
}

TEST_CASE("a ban around others, and its end, fails as a whole: each network carries the longest time around it") {
    Ground ground;
    REQUIRE(ground.ban("203.0.113.128/25", 30s));
    REQUIRE(ground.ban("203.0.113.129", 30s));
    fail_at_each_step(ground, [&] { return ground.ban("203.0.113.0/24", 600s).has_value(); });
    CHECK(ground.maps.bans.at(prefix("203.0.113.128/25")) == ground.now.boot + 600s);
    fail_at_each_step(ground, [&] { return ground.unban("203.0.113.0/24").has_value(); });
    CHECK(ground.maps.bans.at(prefix("203.0.113.128/25")) == ground.now.boot + 30s);
    fail_at_each_step(ground, [&] { return ground.bans.unban_all(Bans::Family::any, {}, ground.now).has_value(); });
    CHECK(ground.bans.list().all().empty());
    CHECK(ground.listener.bans.empty());
    CHECK(ground.maps == BanMaps{});
}

TEST_CASE("each owner of a ban has a time of its own, and the longest counts") {
    Ground ground;
    REQUIRE(ground.ban("203.0.113.5", 60s, "sshd"));
    fail_at_each_step(ground, [&] { return ground.ban("203.0.113.5", 600s, "operator").has_value(); });
    CHECK(ground.sets.elements("banned4").at(0).comment == "operator");
    REQUIRE(ground.ban("203.0.113.5", 30s, "operator")); // never shortened
    CHECK(ground.listener.bans.at(prefix("203.0.113.5")) == ground.now.boot + 600s);
    CHECK(ground.unban("203.0.113.5", "nobody").value() == 0);
    fail_at_each_step(ground, [&] { return ground.unban("203.0.113.5", "operator").has_value(); });
    CHECK(ground.sets.elements("banned4").at(0).expires == 60s);
    CHECK(ground.listener.bans.at(prefix("203.0.113.5")) == ground.now.boot + 60s);
    ground.pass(61s);
    ground.bans.expire(ground.now);
    ground.check_same();
    CHECK(ground.bans.list().all().empty());
}

TEST_CASE("addresses of IPv6 are banned by their network, unless it holds what may not be banned") {
    Ground ground;
    ground.own.insert(address("2001:db8:1::1"));
    const auto done =
        ground.ban({prefix("2001:db8:2::5"), prefix("2001:db8:2::6"), prefix("2001:db8:1::5"), prefix("203.0.113.5")},
                   60s, "sshd", 64);
    REQUIRE(done);
    CHECK(done->prefixes == std::vector{prefix("2001:db8:2::/64"), prefix("2001:db8:2::/64"), prefix("2001:db8:1::5"),
                                        prefix("203.0.113.5")});
    ground.check_same();
    // The end of one address's ban is not the end of the other's.
    CHECK(ground.unban("2001:db8:2::5").value() == 1);
    CHECK(ground.bans.list().all().contains(prefix("2001:db8:2::/64")));
    CHECK(ground.unban("2001:db8:2::6").value() == 1);
    CHECK_FALSE(ground.bans.list().all().contains(prefix("2001:db8:2::/64")));
    ground.check_same();
}

TEST_CASE("what may not be banned is refused with a reason, and the others are banned") {
    Ground ground;
    const auto done =
        ground.ban({prefix("198.51.100.7"), prefix("198.51.0.0/16"), prefix("192.0.2.1"), prefix("192.0.2.70"),
                    prefix("127.0.0.1"), prefix("::1"), prefix("0.0.0.0/0"), prefix("203.0.113.5")});
    REQUIRE(done);
    CHECK(done->prefixes == std::vector{prefix("203.0.113.5")});
    CHECK(done->refused.size() == 7);
    ground.check_same();
}

TEST_CASE("bans end in their order, with one look, and are told of once") {
    Ground ground;
    REQUIRE(ground.ban("203.0.113.6", 20s));
    REQUIRE(ground.ban("203.0.113.5", 10s));
    REQUIRE(ground.ban("203.0.113.128/25", 15s));
    REQUIRE(ground.ban("203.0.113.7", std::nullopt));
    const auto over = [&] {
        ground.events.all.clear();
        ground.bans.expire(ground.now);
        ground.check_same();
        std::vector<Prefix> all;
        for (const authz::Event& event : ground.events.take(EventKind::unbanned))
            all.push_back(event.prefix.value());
        return all;
    };
    CHECK(over().empty());
    ground.pass(10s);
    CHECK(over() == std::vector{prefix("203.0.113.5")});
    ground.pass(5s);
    CHECK(over() == std::vector{prefix("203.0.113.128/25")});
    CHECK_FALSE(ground.is_in_networks(prefix("203.0.113.128/25")));
    ground.pass(3600s);
    CHECK(over() == std::vector{prefix("203.0.113.6")});
    CHECK(over().empty());
    CHECK(ground.listener.bans.size() == 1); // the one that is for ever
}

TEST_CASE("a network whose ban is over leaves nftables with a later look, where it was not taken out at once") {
    Ground ground;
    REQUIRE(ground.ban("203.0.113.128/25", 15s));
    ground.pass(16s);
    ground.faults.fail_at(1);
    ground.bans.expire(ground.now);
    ground.faults.none();
    CHECK(ground.is_in_networks(prefix("203.0.113.128/25"))); // networks have no time of their own in the kernel
    ground.bans.expire(ground.now);
    CHECK_FALSE(ground.is_in_networks(prefix("203.0.113.128/25")));
    const std::size_t commits = ground.sets.commits();
    ground.bans.expire(ground.now);
    CHECK(ground.sets.commits() == commits);
    ground.check_same();
}

TEST_CASE("a reload lifts the bans of whom it allows, and keeps those of their neighbours") {
    Ground ground;
    REQUIRE(ground.ban({prefix("2001:db8:2::5"), prefix("2001:db8:2::6")}, 60s, "sshd", 64));
    REQUIRE(ground.ban("203.0.113.5"));
    auto next = std::make_shared<config::Config>(*ground.config);
    next->allow.push_back(prefix("2001:db8:2::5"));
    std::weak_ptr<const config::Config> first = ground.config;
    ground.config = next;
    REQUIRE(ground.grants.reconfigure(next, ground.now));
    ground.bans.reconfigure(next, ground.now);
    CHECK(first.expired()); // nobody holds on to the one that was replaced
    CHECK(ground.bans.list().all().size() == 2);
    CHECK(ground.bans.list().all().contains(prefix("2001:db8:2::6")));
    CHECK(ground.bans.list().all().contains(prefix("203.0.113.5")));
    ground.check_same();
    // Where that fails the bans stand, everywhere.
    next = std::make_shared<config::Config>(*next);
    next->never_ban.push_back(prefix("203.0.113.0/24"));
    ground.faults.fail_at(1);
    ground.bans.reconfigure(next, ground.now);
    ground.faults.none();
    CHECK(ground.bans.list().all().contains(prefix("203.0.113.5")));
    ground.check_same();
}

TEST_CASE("a ban closes the grants that it meets, and says so where that fails: the ban stands") {
    Ground ground;
    const auto open = [&](const char* from) {
        authz::GrantRequest request;
        request.address = address(from);
        request.service = service_id("ssh");
        return ground.grants.open(request, ground.bans.list(), ground.own, ground.now).answer;
    };
    REQUIRE(open("203.0.113.5") == authz::Answer::done);
    REQUIRE(open("203.0.113.200") == authz::Answer::done);
    ground.faults.fail_at(3); // filter, nftables, and then the grants
    CHECK_FALSE(ground.ban("203.0.113.0/25"));
    ground.faults.none();
    CHECK(ground.bans.list().all().contains(prefix("203.0.113.0/25")));
    CHECK(ground.grants.book().pinholes() == 2);
    REQUIRE(ground.ban("203.0.113.0/25"));
    CHECK(ground.grants.book().pinholes() == 1);
    CHECK(open("203.0.113.5") == authz::Answer::banned);
    ground.check_same();
}

TEST_CASE("the next daemon knows whose the bans are: by file, by filter, and by what nftables shows") {
    Ground ground;
    REQUIRE(ground.ban("203.0.113.5", 60s, "sshd"));
    REQUIRE(ground.ban("203.0.113.5", 600s, "operator"));
    REQUIRE(ground.ban("203.0.113.128/25", std::nullopt, "feed"));
    const auto next = [&] {
        auto bans = std::make_unique<Bans>(
            Bans::Parts{
                .sets = ground.sets, .grants = ground.grants, .listener = ground.listener, .sink = ground.events},
            std::make_unique<RecordingBanFilter>(ground.faults, ground.maps), ground.config);
        return bans;
    };
    auto whole = next();
    REQUIRE(whole->adopt(ground.file(), ground.now));
    CHECK(whole->book().all() == ground.bans.book().all());
    // Without the file the maps know how long, and the sets for whom.
    std::filesystem::remove(ground.directory + "/" + BanFile::kName);
    auto rest = next();
    REQUIRE(rest->adopt(ground.file(), ground.now));
    REQUIRE(rest->list().all().size() == 2);
    CHECK(rest->book().claims_of(prefix("203.0.113.5")).at(0).owner == "operator");
    CHECK(rest->book().claims_of(prefix("203.0.113.5")).at(0).until == ground.now.boot + 600s);
    CHECK(rest->book().claims_of(prefix("203.0.113.128/25")).at(0).owner == "feed");
    // What is over meanwhile is not taken over, and everything is written anew.
    ground.pass(601s);
    auto later = next();
    REQUIRE(later->adopt(ground.file(), ground.now));
    CHECK(later->list().all().size() == 1);
    ground.listener.bans.clear();
    REQUIRE(later->install(ground.now));
    REQUIRE(later->report_all());
    CHECK(ground.maps.bans.size() == 1);
    CHECK(ground.maps.addresses == 0);
    CHECK(ground.sets.elements("banned4").empty());
    CHECK(ground.listener.bans.size() == 1);
    ground.faults.fail_at(1);
    CHECK_FALSE(later->install(ground.now));
    ground.faults.fail_at(2);
    CHECK_FALSE(later->install(ground.now));
    ground.faults.none();
}

TEST_CASE("a file that makes no sense loses owners and no ban") {
    Ground ground;
    REQUIRE(ground.ban("203.0.113.5", 60s, "sshd"));
    std::ofstream(ground.directory + "/" + BanFile::kName, std::ios::app) << "nonsense\n";
    Bans next({.sets = ground.sets, .grants = ground.grants, .listener = ground.listener, .sink = ground.events},
              std::make_unique<RecordingBanFilter>(ground.faults, ground.maps), ground.config);
    REQUIRE(next.adopt(ground.file(), ground.now));
    CHECK(next.book().all() == ground.bans.book().all()); // the owner by nftables
}

TEST_CASE("no more bans than the filter's maps hold, and the others of the same request stand") {
    Ground ground;
    std::vector<Prefix> many;
    for (unsigned i = 0; i <= xdp::kMaxBannedNetworks; ++i)
        many.push_back(Prefix::around(Address::v4(static_cast<std::uint8_t>(100 + (i >> 16)),
                                                  static_cast<std::uint8_t>(i >> 8), static_cast<std::uint8_t>(i), 0),
                                      96 + 24));
    const auto done = ground.ban(many, 60s, "feed");
    REQUIRE(done);
    CHECK(done->prefixes.size() == xdp::kMaxBannedNetworks);
    REQUIRE(done->refused.size() == 1);
    CHECK(done->refused[0].prefix == many.back());
    CHECK(ground.maps.networks == xdp::kMaxBannedNetworks);
    CHECK(ground.ban("203.0.113.5")->refused.empty()); // addresses have their own room
}

TEST_CASE("in mode external nftables is the administrator's, and the rest is the same") {
    config::Config config = make_config();
    config.gate_mode = config::GateMode::external;
    Ground ground(config);
    REQUIRE(ground.ban("203.0.113.5", 10s));
    REQUIRE(ground.ban("203.0.113.128/25", 10s));
    CHECK(ground.sets.commits() == 0);
    CHECK(ground.maps.bans.size() == 2);
    ground.pass(11s);
    ground.bans.expire(ground.now);
    CHECK(ground.sets.commits() == 0);
    CHECK(ground.maps == BanMaps{});
}

TEST_CASE("another program of the filter finds the look-ups switched on") {
    Ground ground;
    REQUIRE(ground.ban("203.0.113.5"));
    ground.maps.addresses = 0; // a fresh program looks for nothing
    ground.bans.bind_filter(std::make_unique<RecordingBanFilter>(ground.faults, ground.maps));
    CHECK(ground.maps.addresses == 1);
}

TEST_CASE("a listener that is gone is said to be, and the ban stands everywhere else") {
    Ground ground;
    ground.listener.gone = true;
    CHECK_FALSE(ground.ban("203.0.113.5"));
    ground.check_same();
    CHECK(ground.bans.list().all().size() == 1);
}

TEST_CASE("what counts of a ban is told of, with its owner and its time") {
    Ground ground;
    REQUIRE(ground.ban("203.0.113.5", 60s, "sshd"));
    auto told = ground.events.take(EventKind::banned);
    REQUIRE(told.size() == 1);
    CHECK(told[0].prefix == prefix("203.0.113.5"));
    CHECK(told[0].address == address("203.0.113.5"));
    CHECK(told[0].lifetime == 60s);
    CHECK(told[0].detail == "sshd");
    REQUIRE(ground.ban("203.0.113.5", 30s, "other")); // shorter: what counts is as it was
    CHECK(ground.events.take(EventKind::banned).empty());
    REQUIRE(ground.ban("203.0.113.128/25", std::nullopt, "feed"));
    told = ground.events.take(EventKind::banned);
    REQUIRE(told.size() == 1);
    CHECK(told[0].lifetime == 0s); // for ever
    CHECK_FALSE(told[0].address);
    REQUIRE(ground.unban("203.0.113.5"));
    const auto unbanned = ground.events.take(EventKind::unbanned);
    REQUIRE(unbanned.size() == 1);
    CHECK(unbanned[0].detail == "sshd");
}
