// SPDX-License-Identifier: MIT
#include "daemon/lifecycle/reload.h"

#include "daemon/lifecycle/disabled.h"
#include "daemon/lifecycle/own_event.h"
#include "daemon/lifecycle/steps.h"
#include "daemon/log.h"

#include <algorithm>
#include <array>

namespace xk {
namespace {

// The filter has the code of a way of knocking only while somebody may knock so.
bool needs_another_filter(const config::Config& before, const config::Config& after) {
    return std::ranges::any_of(
        std::array{authz::KnockMode::sequence, authz::KnockMode::c_lock}, [&](authz::KnockMode mode) {
            const auto knocks_so = [&](const authz::Credential& credential) { return credential.has_mode(mode); };
            return std::ranges::any_of(before.policy.credentials, knocks_so) !=
                   std::ranges::any_of(after.policy.credentials, knocks_so);
        });
}

} // namespace

Result<void> Reload::reload_config(const Now& now) {
    auto read = config::load_config(world_.config->file, config::Identity::required, config::UserFaults::disable);
    return read ? bring(*std::move(read), now) : Result<void>(read.error());
}

Result<void> Reload::bring(config::Config read, const Now& now) {
    const SharedConfig old = world_.config.share(); // for the text of the changes
    auto next = std::make_shared<config::Config>(std::move(read));
    if (auto done = check_disabled(*next, *old); !done)
        return done;
    if (auto done = config::check_unchanged(*old, *next); !done)
        return done;
    if (auto done = check_(*next); !done)
        return done;
    if (auto done = prepare(next, now); !done)
        return done;
    world_.config.set(next);
    world_.filter.commit_loaded();
    behind_.clear();
    tell_followers(&Follower::follow, next);
    world_.guard.on(*next);
    emit_reloaded(text_of_changes(*old, *next), now);
    return {};
}

void Reload::emit_reloaded(const std::string& changes, const Now& now) {
    const config::Config& next = *world_.config;
    authz::Event event = event_of(authz::EventKind::reloaded, now, changes, next.policy.credentials.size());
    event.more = next.file;
    world_.events.on_event(event);
}

// Whoever is behind already will be told of the configuration that counts then.
void Reload::tell_followers(std::function<Result<void>(const SharedConfig&)> Follower::*how, const SharedConfig& next) {
    for (const Follower& follower : followers_) {
        const auto& follow = follower.*how;
        if (auto done = follow ? follow(next) : Result<void>(); !done) {
            log::error(std::move(done).error().within(follower.what + " cannot follow the configuration yet"));
            if (std::ranges::find(behind_, &follower) == behind_.end())
                behind_.push_back(&follower);
        }
    }
}

Result<void> Reload::reload_users(const std::set<std::string>& users, const Now& now) {
    auto read = config::load_users(*world_.config, users);
    return read ? bring_users(*std::move(read), users, now) : Result<void>(read.error());
}

Result<void> Reload::bring_users(config::Config read, const std::set<std::string>& users, const Now& now) {
    if (needs_another_filter(*world_.config, read))
        return bring(std::move(read), now);
    const SharedConfig old = world_.config.share();
    auto next = std::make_shared<config::Config>(std::move(read));
    if (auto done = check_disabled(*next, *old); !done)
        return done;
    if (auto done = world_.worker.hand_over_users(*next, *old, users); !done)
        return done;
    world_.worker.commit(next);
    if (auto done = world_.worker.activate(); !done)
        return done;
    world_.config.set(next);
    tell_followers(&Follower::follow_users, next);
    emit_reloaded(text_of_changes(*old, *next, users), now);
    return {};
}

// The guard is switched off before the ruleset changes, because it must never be stricter than the rules. The worker is
// the last step, because this step cannot be undone. If activate() fails, nobody knows by which configuration the
// worker judges. The monitor gives the worker up then, and the daemon ends too.
Result<void> Reload::prepare(const std::shared_ptr<config::Config>& shared, const Now& now) {
    config::Config& next = *shared;
    World& w = world_;
    const SharedConfig old = w.config.share();
    const Step steps[] = {
        {[&] { return w.worker.hand_over(next, old.get()); }, {}}, // the next hand-over replaces it
        {[&] { return w.filter.load(next); }, [&] { w.filter.discard_loaded(); }},
        {[&] { return w.interfaces.attach(next, now); }, [&] { w.interfaces.go_back(); }},
        {[&] { return w.guard.off(), Result<void>(); }, [&] { w.guard.on(*old); }},
        {[&] { return w.ruleset.install(next); },
         [&] {
             if (auto done = w.ruleset.install(*old); !done) {
                 log::error(std::move(done).error().within("the ruleset of before the reload is not back yet"));
                 w.want_repair();
             }
         }},
        {[&] { return w.worker.commit(shared), w.worker.activate(); }, {}},
    };
    return carry_out(steps);
}

void Reload::follow_change(std::string_view what, const Result<void>& done) {
    if (done)
        return;
    log::error(done.error());
    for (const Follower& follower : followers_)
        if (follower.what == what && std::ranges::find(behind_, &follower) == behind_.end())
            behind_.push_back(&follower);
}

void Reload::on_tick() {
    std::erase_if(behind_, [&](const Follower* follower) {
        const bool done = follower->follow(world_.config.share()).has_value();
        if (done)
            log::info("{} follow the configuration now", follower->what);
        return done;
    });
}

} // namespace xk
