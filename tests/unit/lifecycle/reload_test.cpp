// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/reload.h"

#include "tests/unit/lifecycle/recorder.h"
#include "tests/unit/recording/log.h"

using namespace xk;
using namespace xk::test;
using authz::EventKind;

namespace {

struct Reloaded {
    Recorder world;
    Events events;
    CurrentConfig current{std::make_shared<config::Config>(named("old"))};
    std::vector<std::string> followed;
    std::set<std::string> behind; // followers that fail
    Result<void> allowed;         // what the check of others says
    std::size_t repairs = 0;
    Reload reload{{.worker = world,
                   .filter = world,
                   .interfaces = world,
                   .guard = world,
                   .ruleset = world,
                   .config = current,
                   .events = events,
                   .want_repair = [this] { ++repairs; }},
                  [this](const config::Config&) { return allowed; },
                  {follower("grants"), {"maps", follower("maps").follow, follower("maps of users").follow}}};

    Reloaded() {
        world.state = {
            .judges = "old", .filter = "old", .loaded = "", .attached = "old", .ruleset = "old", .guard = "old"};
    }
    Reload::Follower follower(const std::string& name) {
        return {name, [this, name](const SharedConfig& config) {
                    followed.push_back(name + " of " + config->file);
                    world.steps.push_back(name);
                    return behind.contains(name) ? Result<void>(Error{name, {}}) : Result<void>();
                }};
    }
};

} // namespace

TEST_CASE("a reload that fails at any step leaves everything as it was") {
    std::size_t step = 1;
    for (;; ++step) {
        CAPTURE(step);
        Reloaded r;
        const State before = r.world.state;
        r.world.fails = {step};
        if (r.reload.bring(named("new"), kNow))
            break;
        CHECK(r.world.state == before);
        CHECK(r.current->file == "old");
        CHECK(r.followed.empty());
        CHECK(r.events.all.empty());
        // And the next one finds nothing in its way.
        r.world.fails.clear();
        REQUIRE(r.reload.bring(named("new"), kNow).has_value());
        CHECK(r.current->file == "new");
        CHECK(r.world.state.guard == "new");
    }
    CHECK(step > 5); // the worker's keys, the filter, interfaces, the ruleset, the worker's judgement
}

TEST_CASE("a reload that succeeds keeps the ports shut at every step") {
    Reloaded r;
    REQUIRE(r.reload.bring(named("new"), kNow).has_value());
    const State all_new{
        .judges = "new", .filter = "new", .loaded = "", .attached = "new", .ruleset = "new", .guard = "new"};
    CHECK(r.world.state == all_new);
    CHECK(r.world.steps == std::vector<std::string>{"hand over", "load", "attach", "guard off", "ruleset", "commit",
                                                    "activate", "commit filter", "grants", "maps", "guard on"});
    CHECK(r.followed == std::vector<std::string>{"grants of new", "maps of new"});
    REQUIRE(r.events.has(EventKind::reloaded));
    CHECK(r.events.all.back().more == "new");
    CHECK(r.events.all.back().count == r.current->policy.credentials.size());
}

TEST_CASE("a reload of users tells the worker and those who follow users, and touches nothing else") {
    Reloaded r;
    const State before = r.world.state;
    REQUIRE(r.reload.bring_users(named("new"), {"anna", "bob"}, kNow).has_value());
    CHECK(r.world.steps == std::vector<std::string>{"hand over users anna bob", "commit", "activate", "maps of users"});
    State judged = before;
    judged.judges = "new";
    CHECK(r.world.state == judged);
    CHECK(r.current->file == "new");
    REQUIRE(r.events.has(EventKind::reloaded));
    CHECK(r.events.all.back().detail == "nothing");
    // A file with a new fault refuses it, as it refuses a reload of all.
    config::Config faulty = named("newer");
    faulty.disabled.push_back({"users/anna.yaml", {"users/anna.yaml:1:1: no"}});
    const auto refused = r.reload.bring_users(faulty, {"anna"}, kNow);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().exit == Exit::configuration);
    CHECK(r.current->file == "new");
    CHECK(r.world.steps.size() == 4);
}

TEST_CASE("a reload of users with whom a way of knocking begins or ends loads another filter") {
    for (const authz::KnockMode mode : {authz::KnockMode::sequence, authz::KnockMode::c_lock}) {
        Reloaded r;
        config::Config next = named("new");
        authz::Credential credential;
        credential.modes.set(static_cast<std::size_t>(mode));
        next.policy.credentials.push_back(credential);
        REQUIRE(r.reload.bring_users(next, {"anna"}, kNow).has_value());
        CHECK(r.world.state.filter == "new");
        // One more who knocks so needs none.
        next.file = "newer";
        next.policy.credentials.push_back(credential);
        REQUIRE(r.reload.bring_users(next, {"anna"}, kNow).has_value());
        CHECK(r.world.state.filter == "new");
        CHECK(r.world.state.judges == "newer");
        REQUIRE(r.reload.bring_users(named("last"), {"anna"}, kNow).has_value());
        CHECK(r.world.state.filter == "last");
    }
}

TEST_CASE("a reload of users that fails leaves the configuration that counts") {
    for (const std::size_t step : {1u, 2u}) { // the keys, the judgement
        Reloaded r;
        r.world.fails = {step};
        CHECK_FALSE(r.reload.bring_users(named("new"), {"anna"}, kNow).has_value());
        CHECK(r.current->file == "old");
        CHECK(r.world.state.judges == "old");
        CHECK(r.followed.empty());
        CHECK(r.events.all.empty());
    }
}

TEST_CASE("whoever cannot follow a reload of users is told of everything on the next tick") {
    Reloaded r;
    r.behind = {"maps of users"};
    const CapturedLog log;
    REQUIRE(r.reload.bring_users(named("new"), {"anna"}, kNow).has_value());
    CHECK(log.text() == "error maps cannot follow the configuration yet: maps of users\n");
    r.reload.on_tick();
    CHECK(r.followed == std::vector<std::string>{"maps of users of new", "maps of new"});
    r.reload.on_tick();
    CHECK(r.followed.size() == 2);
}

TEST_CASE("a reload of users counts the changes of theirs") {
    config::Config a = named("f"), b = named("f");
    const auto credential = [](std::uint8_t id, const char* user, bool enabled) {
        authz::Credential one;
        one.id = {id};
        one.user = authz::Name(user);
        one.enabled = enabled;
        return one;
    };
    a.policy.credentials = {credential(1, "anna", true), credential(2, "bert", true)};
    b.policy.credentials = {credential(1, "anna", false), credential(2, "bert", false), credential(3, "anna", true)};
    CHECK(text_of_changes(a, b, {"anna"}) == "1 credentials added, 1 changed");
    CHECK(text_of_changes(a, b, {"bert"}) == "1 credentials changed");
    CHECK(text_of_changes(a, b, {"carl"}) == "nothing");
    b.disabled.emplace_back();
    CHECK(text_of_changes(a, b, {"carl"}) == "files with faults");
}

TEST_CASE("whoever shares the old configuration keeps it over a reload") {
    Reloaded r;
    const SharedConfig old = r.current.share();
    REQUIRE(r.reload.bring(named("new"), kNow).has_value());
    CHECK(old->file == "old");
    CHECK(old.use_count() == 1); // and nobody else does
}

TEST_CASE("a ruleset of before that does not come back is repaired later") {
    Reloaded r;
    r.world.fails = {5, 6}; // the worker's judgement, and the ruleset on the way back
    REQUIRE_FALSE(r.reload.bring(named("new"), kNow).has_value());
    CHECK(r.repairs == 1);
    CHECK(r.current->file == "old");
    CHECK(r.world.state.attached == "old");
}

TEST_CASE("a follower that fails is told again on each tick until it follows") {
    Reloaded r;
    r.behind = {"grants"};
    REQUIRE(r.reload.bring(named("new"), kNow).has_value());
    CHECK(r.followed == std::vector<std::string>{"grants of new", "maps of new"}); // the others all the same
    r.reload.on_tick();
    CHECK(r.followed.size() == 3);
    r.behind.clear();
    r.reload.on_tick();
    CHECK(r.followed.size() == 4);
    CHECK(r.followed.back() == "grants of new");
    r.reload.on_tick();
    CHECK(r.followed.size() == 4);
    // Another reload has its own.
    r.behind = {"maps"};
    REQUIRE(r.reload.bring(named("newer"), kNow).has_value());
    r.behind.clear();
    r.reload.on_tick();
    CHECK(r.followed.back() == "maps of newer");
}

TEST_CASE("what takes a restart is refused before anything is done") {
    Reloaded r;
    const auto refused = [&](const std::function<void(config::Config&)>& change) {
        config::Config next = named("new");
        change(next);
        const auto done = r.reload.bring(std::move(next), kNow);
        return !done && done.error().exit == Exit::configuration && r.world.steps.empty() && r.current->file == "old";
    };
    CHECK(refused([](config::Config& c) { c.account.uid = 7; }));
    CHECK(refused([](config::Config& c) { c.worker_account.uid = 7; }));
    CHECK(refused([](config::Config& c) { c.run_directory = "/elsewhere"; }));
    CHECK(refused([](config::Config& c) { c.state_directory = "/elsewhere"; }));
    CHECK(refused([](config::Config& c) { c.pin_directory = "/elsewhere"; }));
    CHECK(refused([](config::Config& c) { c.gate_mode = config::GateMode::external; }));
    CHECK(refused([](config::Config& c) { c.gate_owned = false; }));
    CHECK(refused([](config::Config& c) { c.replay_entries += 1; }));
    CHECK(refused([](config::Config& c) { c.coexist = true; }));
    CHECK(refused([](config::Config& c) { c.external.table = "other"; }));
    CHECK(refused([](config::Config& c) { c.server_id[0] = 1; }));
    r.allowed = Error{"another user for hooks", {}, Exit::configuration};
    CHECK(refused([](config::Config&) {}));
}

TEST_CASE("a file with a new fault refuses a reload, and one with an old fault does not") {
    Reloaded r;
    config::Config next = named("new");
    next.disabled.push_back({"users/anna.yaml", {"users/anna.yaml:1:1: no"}});
    const auto done = r.reload.bring(next, kNow);
    REQUIRE_FALSE(done.has_value());
    CHECK(done.error().message == "users/anna.yaml:1:1: no");
    CHECK(r.world.steps.empty());
    config::Config old = named("old");
    old.disabled = next.disabled;
    r.current.set(std::make_shared<config::Config>(std::move(old)));
    CHECK(r.reload.bring(next, kNow).has_value());
}

TEST_CASE("a file that cannot be read refuses a reload") {
    Reloaded r;
    REQUIRE_FALSE(r.reload.reload_config(kNow).has_value()); // there is no file "old"
    CHECK(r.world.steps.empty());
}

TEST_CASE("a reload says what has changed") {
    config::Config a = named("f"), b = named("f");
    CHECK(text_of_changes(a, b) == "nothing");
    const auto credential = [](std::uint8_t id, const char* user) {
        authz::Credential one;
        one.id = {id};
        one.user = authz::Name(user);
        one.device = authz::Name("laptop");
        return one;
    };
    const auto service = [](const char* name, std::uint16_t port) {
        authz::Service one;
        one.name = authz::Name(name);
        one.ports[0] = PortRange::of({IpProtocol::tcp, port});
        one.port_count = 1;
        return one;
    };
    a.policy.credentials = {credential(1, "anna"), credential(2, "bert"), credential(3, "carl")};
    b.policy.credentials = {credential(2, "bert"), credential(3, "carla"), credential(4, "dora"), credential(5, "eva")};
    a.policy.services = {service("ssh", 22)};
    b.policy.services = {service("dns", 53), service("ssh", 22)};
    CHECK(text_of_changes(a, b) == "2 credentials added, 1 removed, 1 changed; 1 services added");
    // Bits of services are indices: that one came before the other changes no right.
    a.policy.credentials = {credential(1, "anna")};
    b.policy.credentials = a.policy.credentials;
    a.policy.credentials[0].services.set(0);
    b.policy.credentials[0].services.set(1);
    CHECK(text_of_changes(a, b) == "1 services added");
    b.policy.credentials[0].services.set(0);
    CHECK(text_of_changes(a, b) == "1 credentials changed; 1 services added");
    b = a;
    b.policy.services[0].ports[0] = PortRange::of({IpProtocol::tcp, 23});
    b.allow.push_back(Prefix::parse("192.0.2.0/24").value());
    b.interfaces = {"eth1"};
    CHECK(text_of_changes(a, b) == "1 services changed; interfaces; gate.allow");
}

TEST_CASE("a reload names each setting that has changed, and no other") {
    const auto text = [](const std::function<void(config::Config&)>& change) {
        config::Config before = named("f"), after = named("f");
        before.policy.services.emplace_back();
        before.policy.services[0].name = authz::Name("ssh");
        before.hooks.services.emplace_back();
        after.policy = before.policy;
        after.hooks = before.hooks;
        change(after);
        return text_of_changes(before, after);
    };
    CHECK(text([](config::Config& c) { c.port = 1; }) == "port");
    CHECK(text([](config::Config& c) { c.answer_as_closed = true; }) == "stealth");
    CHECK(text([](config::Config& c) { c.allow_generic = true; }) == "xdp");
    CHECK(text([](config::Config& c) { c.run_priority = 9; }) == "xdp");
    CHECK(text([](config::Config& c) { c.drop_syn = false; }) == "xdp");
    CHECK(text([](config::Config& c) { c.local_addresses.emplace(); }) == "local_addresses");
    CHECK(text([](config::Config& c) { c.gate_closed = true; }) == "gate.stealth");
    CHECK(text([](config::Config& c) { c.never_ban.emplace_back(); }) == "never_ban");
    CHECK(text([](config::Config& c) { c.shut_on_failure = false; }) == "gate.on_failure");
    CHECK(text([](config::Config& c) { c.max_grants = 1; }) == "gate.max_grants");
    CHECK(text([](config::Config& c) { c.hooks.time_limit = 1s; }) == "hooks");
    CHECK(text([](config::Config& c) { c.hooks.services[0].on_open = {"/bin/true"}; }) == "hooks");
    CHECK(text([](config::Config& c) { c.hooks.services[0].on_close = {"/bin/true"}; }) == "hooks");
    CHECK(text([](config::Config& c) { c.admin_group = 1; }) == "control");
    CHECK(text([](config::Config& c) { c.read_group = 1; }) == "control");
    CHECK(text([](config::Config& c) { c.policy.settings.skew += 1s; }) == "skew");
    CHECK(text([](config::Config& c) { c.fwknop_port = 1; }) == "legacy");
    CHECK(text([](config::Config& c) { c.capyknock_port = 1; }) == "legacy");
    CHECK(text([](config::Config& c) { c.policy.settings.sequence.ports += 1; }) == "sequence");
    CHECK(text([](config::Config& c) { c.max_guess_odds = 1; }) == "sequence");
    CHECK(text([](config::Config& c) { c.policy.settings.c_lock.ports += 1; }) == "c_lock");
    CHECK(text([](config::Config& c) { c.c_lock.attempts_per_hour += 1; }) == "c_lock");
    CHECK(text([](config::Config& c) { c.c_lock.max_guess_odds = 1; }) == "c_lock");
    CHECK(text([](config::Config& c) { c.c_lock.open_ports = {80}; }) == "c_lock");
    CHECK(text([](config::Config& c) { c.disabled.emplace_back(); }) == "files with faults");
}

TEST_CASE("a reload counts a credential or a service as changed for each of its properties") {
    const auto credential = [](const std::function<void(authz::Credential&)>& change) {
        config::Config before = named("f"), after = named("f");
        before.policy.credentials.emplace_back();
        before.policy.credentials[0].id = {1};
        after.policy = before.policy;
        change(after.policy.credentials[0]);
        return text_of_changes(before, after) == "1 credentials changed";
    };
    using authz::Credential;
    CHECK_FALSE(credential([](Credential&) {}));
    CHECK(credential([](Credential& c) { c.user = authz::Name("anna"); }));
    CHECK(credential([](Credential& c) { c.device = authz::Name("phone"); }));
    CHECK(credential([](Credential& c) { c.enabled = !c.enabled; }));
    CHECK(credential([](Credential& c) { c.factor = FactorKind::hmac; }));
    CHECK(credential([](Credential& c) { c.binding = authz::Binding::explicit_; }));
    CHECK(credential([](Credential& c) { c.totp_digits += 1; }));
    CHECK(credential([](Credential& c) { c.lifetime += 1s; }));
    CHECK(credential([](Credential& c) { c.max_lifetime += 1s; }));
    CHECK(credential([](Credential& c) { c.valid_from += 1s; }));
    CHECK(credential([](Credential& c) { c.valid_until -= 1s; }));
    CHECK(credential([](Credential& c) { c.networks.count = 1; }));
    CHECK(credential([](Credential& c) { c.explicit_networks.count = 1; }));
    CHECK(credential([](Credential& c) { c.hours.count = 1; }));
    CHECK(credential([](Credential& c) { c.lockout.free += 1; }));
    CHECK(credential([](Credential& c) { c.lockout.first += 1s; }));
    CHECK(credential([](Credential& c) { c.lockout.longest += 1s; }));
    CHECK(credential([](Credential& c) { c.lockout.most += 1; }));
    CHECK(credential([](Credential& c) { c.modes.flip(1); }));
    CHECK(credential([](Credential& c) { c.legacy.port = 1; }));
    const auto service = [](const std::function<void(authz::Service&)>& change) {
        config::Config before = named("f"), after = named("f");
        before.policy.services.emplace_back();
        before.policy.services[0].name = authz::Name("ssh");
        after.policy = before.policy;
        change(after.policy.services[0]);
        return text_of_changes(before, after) == "1 services changed";
    };
    using authz::Service;
    CHECK_FALSE(service([](Service&) {}));
    CHECK(service([](Service& s) { s.port_count = 1; }));
    CHECK(service([](Service& s) { s.target4 = Address::v4(192, 0, 2, 1); }));
    CHECK(service([](Service& s) { s.target6 = Address::v4(192, 0, 2, 1); }));
    CHECK(service([](Service& s) { s.published.port = 1; }));
    CHECK(service([](Service& s) { s.lifetime += 1s; }));
    CHECK(service([](Service& s) { s.max_lifetime += 1s; }));
    CHECK(service([](Service& s) { s.after = authz::After::cut; }));
    CHECK(service([](Service& s) { s.idle += 1s; }));
    CHECK(service([](Service& s) { s.max_connections += 1; }));
    CHECK(service([](Service& s) { s.single_use = true; }));
}

TEST_CASE("hooks that move with their service are no change") {
    config::Config before = named("f"), after = named("f");
    const auto add = [](config::Config& config, const char* name, std::vector<std::string> hook) {
        config.policy.services.emplace_back().name = authz::Name(name);
        config.hooks.services.push_back({.on_open = std::move(hook), .on_close = {}});
    };
    add(before, "ssh", {"/bin/true"});
    add(after, "dns", {});
    add(after, "ssh", {"/bin/true"});
    CHECK(text_of_changes(before, after) == "1 services added");
}

TEST_CASE("a follower that lost what changed outside of a reload is told again on each tick, once") {
    Reloaded r;
    r.behind = {"maps"};
    const CapturedLog log;
    r.reload.follow_change("maps", {});
    r.reload.on_tick();
    CHECK(r.followed.empty());
    CHECK(log.text().empty());
    r.reload.follow_change("maps", Error{"the map is full", {}});
    r.reload.follow_change("maps", Error{"the map is full", {}});
    r.reload.follow_change("nobody", Error{"nothing", {}});
    CHECK(log.text() == "error the map is full\nerror the map is full\nerror nothing\n");
    r.reload.on_tick();
    CHECK(r.followed == std::vector<std::string>{"maps of old"});
    r.behind.clear();
    r.reload.on_tick();
    r.reload.on_tick();
    CHECK(r.followed == std::vector<std::string>{"maps of old", "maps of old"});
}
