// SPDX-License-Identifier: MIT
// What is looked after while nobody knocks: addresses, the ruleset, the interfaces, sleep, and the copy of the state.
#include "daemon/lifecycle/daemon.h"

#include "daemon/log.h"
#include "daemon/nft/ruleset.h"

#include <ctime>

namespace xk {
namespace {

constexpr std::chrono::seconds kSaveInterval{10};
constexpr std::chrono::seconds kShortestSleep{1};

// How long the machine was asleep in this boot.
std::chrono::nanoseconds time_slept() {
    timespec awake{};
    ::clock_gettime(CLOCK_MONOTONIC, &awake);
    return BootClock::now().time_since_epoch() - std::chrono::seconds(awake.tv_sec) -
           std::chrono::nanoseconds(awake.tv_nsec);
}

} // namespace

void Daemon::on_addresses() {
    auto changed = parts_.own_addresses.update();
    if (!changed)
        return fail(changed.error());
    if (!*changed)
        return;
    syn_drop_.on_addresses(parts_.own_addresses.all());
    if (auto done = xdp::set_local_addresses(filter(), own_addresses()); !done)
        log::error(done.error());
}

void Daemon::on_forwarding() {
    auto changed = parts_.forwarding.update();
    if (!changed)
        return fail(changed.error());
    if (!*changed)
        return;
    if (auto done = write_forwarding(); !done)
        log::error(done.error());
}

void Daemon::on_ruleset() {
    auto change = parts_.ruleset.update();
    if (!change)
        return fail(change.error());
    if (!*change)
        return;
    if ((*change)->objects || (*change)->elements)
        return repair(**change);
    ruleset_unknown_ = true; // on the next tick: our own large transactions can be what did not fit
}

// Our own table is made anew, with all that belongs into it. Of the administrator's (mode "external") only the sets are
// ours to fill, and a change of his of single elements is his will.
void Daemon::repair(const nft::Change& change) {
    const Now now = Now::read();
    const bool external = config().gate_mode == config::GateMode::external;
    Result<void> done;
    // Single elements that somebody took away are pinholes that he closed; sets that are gone are not.
    if (change.elements && !change.objects && !change.lost) {
        if (auto gone = grants_.forget_missing(); !gone)
            done = gone.error();
        else if (external)
            return;
    }
    // The ruleset has to stand, whatever connection tracking says.
    if (auto used = lifetimes_.forget_used(own_addresses()); !used)
        log::error(used.error());
    if (done)
        done = install_ruleset(config(), [&](nft::Transaction& transaction) {
            grants_.write(transaction, now);
            bans_.write(transaction, now);
            if (!external)
                lifetimes_.write(transaction);
        });
    grants_.was_written(now.boot, done.has_value());
    // Afterwards: to list the sets takes longer than to make them, and until then everything may be open.
    if (done)
        done = grants_.expel_strangers();
    const std::string what = "table inet " + (external ? config().external.table : std::string(nft::kTable)) +
                             " was changed by " + (change.by.empty() ? "somebody" : change.by);
    if (!done) {
        ruleset_unknown_ = true; // again on the next tick, until it is done
        if (!std::exchange(unrepaired_, true))
            log::error(std::move(done).error().within(what + " and cannot be repaired"));
        return;
    }
    const bool told = std::exchange(unrepaired_, false) || !change.lost;
    if (told && external)
        spdlog::info("{}; the {} grants are in its sets", what, grants_.book().pinholes());
    else if (told)
        spdlog::warn("{}; it is as it was again, with {} grants and {} bans", what, grants_.book().pinholes(),
                     bans_.list().all().size());
}

void Daemon::on_links() {
    const auto changed = links_->update();
    if (!changed)
        return fail(changed.error());
    if (*changed)
        look_after_interfaces();
}

void Daemon::look_after_interfaces() {
    if (interfaces_.look_after(filter(), config(), Now::read()))
        notify_status();
}

void Daemon::look_after_sessions(const Now& now) {
    if (parts_.dry_run)
        return;
    if (auto done = lifetimes_.tick(config(), bans_.list(), own_addresses(), now); !done)
        log::error(done.error());
}

void Daemon::notice_sleep(const Now& now) {
    const auto before = std::exchange(slept_, time_slept());
    if (!before || *slept_ - *before <= kShortestSleep)
        return;
    spdlog::info("the machine slept; grants and bans get the time that is left of them");
    if (auto done = grants_.restore(now); !done)
        log::error(done.error());
    bans_.expire(now);
    if (auto done = bans_.install(now); !done)
        log::error(done.error());
}

void Daemon::save_state_lazily(const Now& now) {
    // A slot in which the first knock was accepted goes to the disk at once: after a power cut the horizon stands at
    // its end, however far behind the wall clock comes back.
    const std::uint64_t slot = state().header.high_slot;
    if (slot > saved_slot_) {
        saved_slot_ = slot;
        last_save_ = now.boot;
        copies_->write();
        return;
    }
    if (now.boot - last_save_ < kSaveInterval)
        return;
    last_save_ = now.boot;
    // Only when something was judged since: reading a few counters tells.
    const authz::StateHeader& header = state().header;
    std::uint64_t digest = header.retries + header.high_slot;
    for (const auto n : header.accepted)
        digest = digest * 31 + n;
    for (const auto n : header.rejects)
        digest = digest * 31 + n;
    if (digest == saved_digest_)
        return;
    saved_digest_ = digest;
    copies_->write();
}

} // namespace xk
