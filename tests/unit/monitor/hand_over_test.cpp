// SPDX-License-Identifier: MIT
// Handing configurations over: a reload of one credential is the work of one, and what fails half way changes nothing.
#include "peer.h"

using namespace xk;
using namespace xk::test;
using namespace xk::privsep;

namespace {

std::vector<std::uint32_t> places_of(const authz::PolicyChange& change) {
    std::vector<std::uint32_t> places;
    for (const auto& placed : change.changed)
        places.push_back(placed.place);
    return places;
}

} // namespace

TEST_CASE("the first configuration is handed over whole, a few secrets at a time") {
    Devices devices(40);
    Peer peer;
    peer.report_all(1, 40);
    REQUIRE(peer.monitor->hand_over(devices.config, Peer::any()));
    const auto change = peer.hear_change(1, 0);
    CHECK(change.places == 40);
    CHECK(change.changed.size() == 40);
    CHECK(change.emptied.empty());
    for (const auto& [first, count] : {std::pair(0u, 16u), {16u, 16u}, {32u, 8u}}) {
        std::vector<Fd> fds;
        const auto secrets = peer.hear<Secrets>(&fds);
        CHECK(secrets.first == first);
        CHECK(secrets.count == count);
        CHECK(secrets.without == 0);
        CHECK(fds.size() == count);
    }
    CHECK(peer.hears_nothing());
    peer.monitor->commit(std::make_shared<config::Config>(devices.config));
    CHECK(peer.hears_nothing());
    REQUIRE(peer.monitor->activate());
    peer.hear<Activate>();
}

TEST_CASE("a reload of one changed credential of many hands over that one") {
    Devices devices(500);
    Peer peer;
    CHECK(peer.load(devices.config, 500) == 1 + 32 + 1);
    devices.config.policy.credentials[321].lifetime = 10s;
    peer.report_all(2, 1);
    REQUIRE(peer.monitor->hand_over(devices.config, Peer::any()));
    const auto change = peer.hear_change(2, 1);
    CHECK(places_of(change) == std::vector<std::uint32_t>{321});
    CHECK(change.changed[0].credential == devices.config.policy.credentials[321]);
    CHECK(change.places == 500);
    std::vector<Fd> fds;
    CHECK(peer.hear<Secrets>(&fds).count == 1);
    CHECK(fds.size() == 1);
    CHECK(peer.hears_nothing());
}

TEST_CASE("a reload that changes nothing hands over nothing") {
    Devices devices(20);
    Peer peer;
    peer.load(devices.config, 20);
    CHECK(peer.load(devices.config, 0) == 2); // NewPolicy and Activate
}

TEST_CASE("a secret that is another one by now is read anew, key or second factor") {
    Devices devices(10);
    devices.add(10, FactorKind::hmac);
    Peer peer;
    peer.load(devices.config, 11);
    const std::pair<const char*, std::function<void()>> changes[] = {
        {"a key, replaced by another file",
         [&] {
             devices.write(devices.file(3, ".new"), key_text(99));
             std::filesystem::rename(devices.file(3, ".new"), devices.file(3, ".key"));
         }},
        {"a key, written anew", [&] { devices.write(devices.file(3, ".key"), key_text(98)); }},
        {"a factor", [&] { devices.write(devices.file(10, ".otp"), key_text(78)); }},
        {"a file whose rights were looked after", [&] { ::chmod(devices.file(10, ".key").c_str(), 0400); }},
    };
    for (const auto& [name, change] : changes) {
        const std::string what = name;
        CAPTURE(what);
        change();
        CHECK(peer.load(devices.config, 1) == 3);
        CHECK(peer.load(devices.config, 0) == 2);
    }
}

TEST_CASE("a file that was written just now may be written again with the same times, and is read anew") {
    Devices devices(1);
    const auto stamps = [&](std::chrono::nanoseconds later) {
        return stamp_secrets(devices.config.secrets[0],
                             Now::read().wall + std::chrono::duration_cast<std::chrono::microseconds>(later));
    };
    CHECK_FALSE(are_unchanged(stamps(0s), stamps(1h)));
    CHECK(are_unchanged(stamps(3s), stamps(1h)));
    CHECK(are_unchanged(stamps(3s), stamps(0s)));        // the second look may be at any time
    CHECK_FALSE(are_unchanged(stamps(-1h), stamps(1h))); // a clock that was set back
    const auto before = stamps(3s);
    std::filesystem::remove(devices.file(0, ".key"));
    CHECK_FALSE(are_unchanged(before, stamps(3s)));
    CHECK_FALSE(are_unchanged(stamps(3s), stamps(3s)));
}

TEST_CASE("one added, one removed, one changed: everybody else keeps the place") {
    Devices devices(5);
    Peer peer;
    peer.load(devices.config, 5);
    devices.remove(1); // the credentials behind it have other indices now, and the same places
    devices.config.policy.credentials[2].max_lifetime = 20s; // device 3
    devices.add(7);
    devices.add(8);
    peer.report_all(2, 3);
    REQUIRE(peer.monitor->hand_over(devices.config, Peer::any()));
    const auto change = peer.hear_change(2, 1);
    CHECK(places_of(change) == std::vector<std::uint32_t>{3, 1, 5});
    CHECK(change.changed[1].credential.id == Devices::id_of(7)); // takes the place that is free
    CHECK(change.places == 6);
    CHECK(change.emptied.empty());
    peer.monitor->commit(std::make_shared<config::Config>(devices.config));
    REQUIRE(peer.monitor->activate());
    peer.drain();
    peer.generation = 2;

    devices.remove(0); // device 0, at place 0
    devices.remove(4); // device 8, at the last place
    peer.report_all(3, 0);
    REQUIRE(peer.monitor->hand_over(devices.config, Peer::any()));
    const auto fewer = peer.hear_change(3, 2);
    CHECK(fewer.changed.empty());
    CHECK(fewer.emptied.size() == 2);
    peer.monitor->commit(std::make_shared<config::Config>(devices.config));
    CHECK(peer.monitor->disabled_places() == std::vector<bool>{true, false, false, false, false, true});
}

TEST_CASE("places: who is disabled, and who has none") {
    Devices devices(3);
    devices.config.policy.credentials[1].enabled = false;
    Peer peer;
    peer.load(devices.config, 3);
    CHECK(peer.monitor->disabled_places() == std::vector<bool>{false, true, false});
    devices.remove(0);
    peer.load(devices.config, 0);
    CHECK(peer.monitor->disabled_places() == std::vector<bool>{true, true, false});
}

TEST_CASE("a secret that cannot be used disables its credential, and the others are handed over once more") {
    Devices devices(4);
    Peer peer;
    peer.load(devices.config, 4);
    devices.config.policy.credentials[0].lifetime = 10s;
    devices.add(4);
    devices.add(5);
    devices.add(6, FactorKind::hmac);
    std::filesystem::remove(devices.file(5, ".key"));
    peer.report(2, 0);
    peer.report(2, 4, 1u << 1 | 1u << 2, 1u << 3); // 4 is no key, 5 has no file, and the factor of 6 is none
    peer.report_all(3, 1);
    unsigned asked = 0;
    REQUIRE(peer.monitor->hand_over(devices.config, [&](const config::Config& next) {
        ++asked;
        CHECK(next.disabled.size() == 3);
        return Result<void>();
    }));
    CHECK(asked == 1);
    CHECK(devices.config.policy.credentials.size() == 4);
    CHECK(places_of(peer.hear_change(2, 1)) == std::vector<std::uint32_t>{0, 4, 5, 6});
    std::vector<Fd> fds;
    CHECK(peer.hear<Secrets>(&fds).without == 1u << 2);
    CHECK(fds.size() == 4);
    CHECK(places_of(peer.hear_change(3, 1)) == std::vector<std::uint32_t>{0});
    std::string faults;
    for (const auto& one : devices.config.disabled)
        faults += one.faults[0];
    CHECK(faults.find("device4.key: is not a key") != std::string::npos);
    CHECK(faults.find("device5.key") != std::string::npos);
    CHECK(faults.find("device6.otp: is not a second factor's secret") != std::string::npos);
}

TEST_CASE("a reload that may disable nobody is refused, and what counts is as it was") {
    Devices devices(4);
    Peer peer;
    peer.load(devices.config, 4);
    config::Config bad = devices.config;
    bad.policy.credentials[2].lifetime = 10s;
    peer.report(2, 0);
    peer.report(2, 1, 1);
    const auto refused = peer.monitor->hand_over(bad, [](const config::Config&) -> Result<void> {
        return Error{"no", {}};
    });
    CHECK(refused.error().message == "no");
    peer.drain();
    // The next one is a change of what counts, not of what was given up.
    devices.config.policy.credentials[0].lifetime = 11s;
    peer.report_all(3, 1);
    REQUIRE(peer.monitor->hand_over(devices.config, Peer::any()));
    CHECK(places_of(peer.hear_change(3, 1)) == std::vector<std::uint32_t>{0});
}

TEST_CASE("a worker that does not answer is given up after a while, and its answer may come later") {
    Devices devices(2);
    Peer peer(50ms);
    peer.load(devices.config, 2);
    devices.config.policy.credentials[0].lifetime = 10s;
    CHECK(peer.monitor->hand_over(devices.config, Peer::any()).error().message == "xknock-worker does not answer");
    CHECK(peer.owner.ends.empty());
    peer.report(2, 0); // of what was given up, and then of the next
    peer.report_all(3, 1);
    REQUIRE(peer.monitor->hand_over(devices.config, Peer::any()));
    CHECK(peer.owner.ends.empty());
}

TEST_CASE("an answer that nobody asked for ends the worker, also where one was owed before") {
    Devices devices(2);
    for (const bool late : {true, false}) {
        Peer peer(50ms);
        peer.load(devices.config, 2);
        if (late)
            CHECK_FALSE(peer.monitor->hand_over(devices.config, Peer::any()));
        peer.report(2, 0);
        CHECK(peer.goes_on() == late);
        peer.report(2, 0);
        CHECK_FALSE(peer.goes_on());
        CHECK(peer.end() == "xknock-worker said something that makes no sense: report that nobody asked for");
    }
}

TEST_CASE("a report of other secrets than those that were sent ends the hand-over") {
    Devices devices(40);
    Peer peer;
    peer.report(1, 0);
    peer.report(1, 40);
    CHECK(peer.monitor->hand_over(devices.config, Peer::any()).error().message ==
          "xknock-worker said something that makes no sense: a report of other secrets");
}

TEST_CASE("a worker that cannot be told which configuration counts is given up") {
    Devices devices(1);
    Peer peer;
    auto next = std::make_shared<config::Config>(devices.config);
    peer.report_all(1, 1);
    REQUIRE(peer.monitor->hand_over(*next, Peer::any()));
    peer.monitor->commit(next);
    peer.worker.reset();
    CHECK_FALSE(peer.monitor->activate());
    CHECK(peer.owner.ends.size() == 1);
}

TEST_CASE("a worker that ends meanwhile ends the hand-over") {
    Devices devices(2);
    Peer peer;
    peer.worker.reset();
    CHECK_FALSE(peer.monitor->hand_over(devices.config, Peer::any()));
}

TEST_CASE("while the worker is waited for, grants that are due are made") {
    Devices devices(2);
    Peer peer(50ms);
    peer.grants.waits = true;
    CHECK_FALSE(peer.monitor->hand_over(devices.config, Peer::any()));
    CHECK(peer.grants.settled > 0);
}
