// SPDX-License-Identifier: MIT
//
// Bans over a recorded filter, sets and listener, in a directory of their own, with a clock that only the test moves.
#pragma once

#include "daemon/bans/bans.h"
#include "tests/unit/recording/directory.h"
#include "tests/unit/recording/each_step.h"
#include "tests/unit/recording/events.h"
#include "tests/unit/recording/filter.h"
#include "tests/unit/recording/sets.h"

#include <doctest/doctest.h>

#include <functional>
#include <memory>
#include <tuple>

namespace xk::test {

using namespace std::chrono_literals;
using authz::EventKind;

inline constexpr const char* kBoot = "00112233445566778899aabbccddeeff"; // the boot's id

inline Address address(const char* text) { return Address::parse(text).value(); }
inline Prefix prefix(const std::string& text) { return Prefix::parse(text).value(); }

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

inline config::Config make_config() {
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

struct BanFixture {
    explicit BanFixture(config::Config c = make_config())
        : config(std::make_shared<const config::Config>(std::move(c))) {
        REQUIRE(bans.adopt(file(), now));
    }

    BanFile file() const { return {directory.path(), kBoot}; }
    std::string content() const { return directory.read(BanFile::kName); }
    std::string path() const { return directory.path() + "/" + BanFile::kName; }
    // Another daemon over the same file, maps and sets.
    std::unique_ptr<Bans> next() {
        return std::make_unique<Bans>(Bans::Parts{.sets = sets, .grants = grants, .listener = listener, .sink = events},
                                      std::make_unique<RecordingBanFilter>(faults, maps), config);
    }
    // These bans stand, as an earlier daemon left them: quicker than to ban one after the other.
    void fill(const authz::BanBook& book) {
        REQUIRE(file().replace(book));
        REQUIRE(bans.adopt(file(), now));
        REQUIRE(bans.install(now));
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

    // Checks that all places have what the book says.
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
        for (const auto& banned : bans.list().all())
            if (!banned.first.is_single())
                CHECK_MESSAGE(is_in_networks(banned.first), banned.first.text());
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
    TemporaryDirectory directory;
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

// A failed operation leaves all places as they were and emits no event; a successful one emits some.
inline void fail_at_each_step(BanFixture& f, const std::function<bool()>& operation) {
    f.events.all.clear();
    fail_at_each_step(
        f.faults,
        [&] {
            f.check_same();
            return std::tuple(f.bans.book().all(), f.sets.dump(), f.listener.bans, f.maps, f.events.all.size());
        },
        operation);
    CHECK_FALSE(f.events.all.empty());
}

} // namespace xk::test
