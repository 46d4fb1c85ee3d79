// SPDX-License-Identifier: MIT
//
// The interfaces (ports) through which start, reload, panic and repair act. The wiring implements them with the worker,
// the filter, nftables and the tables of grants and bans. The unit tests implement them with a recorder that fails at a
// chosen step.
//
// A configuration "counts" while knocks and grants are judged by it. No port keeps a reference into a configuration
// after a call.
#pragma once

#include "daemon/config/config.h"
#include "daemon/lifecycle/ssh_caller.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <memory>
#include <optional>
#include <set>
#include <string>

namespace xk {

using SharedConfig = std::shared_ptr<const config::Config>;

// The configuration that counts. A reload exchanges it, so callers read it here each time, or share it.
class CurrentConfig {
  public:
    explicit CurrentConfig(SharedConfig config) : config_(std::move(config)) {}

    const config::Config& operator*() const { return *config_; }
    const config::Config* operator->() const { return config_.get(); }
    const SharedConfig& share() const { return config_; }
    void set(SharedConfig next) { config_ = std::move(next); }

  private:
    SharedConfig config_;
};

// The process that judges. An error means that it has ended or does not answer, and the daemon ends with it.
class WorkerPort {
  public:
    virtual ~WorkerPort() = default;
    // The worker reads the keys of `next`, and still judges by the configuration that counts. Credentials whose secrets
    // cannot be used are disabled in `next`. But it is an error if `counts` is given and has such a credential enabled.
    virtual Result<void> hand_over(config::Config& next, const config::Config* counts) = 0;
    // The same where `next` differs from `counts` in these users alone. The secrets of the others are not looked at.
    virtual Result<void> hand_over_users(config::Config& next, const config::Config& counts,
                                         const std::set<std::string>& users) = 0;
    // From now on requests and tags of the worker belong to the configuration that was handed over last.
    virtual void commit(const SharedConfig& handed_over) = 0;
    // From now on the worker judges by that configuration.
    virtual Result<void> activate() = 0;
    // Waits until the tags of the configuration that counts are in the filter.
    virtual Result<void> wait_for_tags() = 0;
    virtual Result<void> set_panic(bool on) = 0;
    // When this returns, knocks that were made before now + skew are refused.
    virtual Result<void> raise_horizon() = 0;
};

// The program at the network card. A reload loads another one beside it, over the same pinned maps.
class FilterPort {
  public:
    virtual ~FilterPort() = default;
    virtual Result<void> load(const config::Config& next) = 0; // attaches nothing
    virtual void discard_loaded() = 0;
    virtual void commit_loaded() = 0; // the loaded filter counts from now on
    // Writes the maps that depend on a configuration: disabled credentials, this host's addresses, forwarding.
    virtual Result<void> write(const config::Config& config) = 0;
    // Removes every pin, and the filter with it.
    virtual Result<void> take_away() = 0;
};

// The interfaces that the filter is on.
class InterfacesPort {
  public:
    virtual ~InterfacesPort() = default;
    // Attaches the filter that was loaded last. After an error the interfaces are as they were before.
    virtual Result<void> attach(const config::Config& next, const Now& now) = 0;
    // Undoes the last attach(): the filter that counts is on the earlier interfaces again.
    virtual void go_back() = 0;
};

// The part of the filter that drops SYNs without a grant (SynGuard). It may be laxer than the ruleset, and never
// stricter.
class SynGuardPort {
  public:
    virtual ~SynGuardPort() = default;
    virtual Result<void> begin(const Now& now) = 0; // at the start: takes over the known sources; the guard is off
    virtual void off() = 0;                         // called before the ruleset changes
    virtual void on(const config::Config& config) = 0;
};

// The rules that keep the ports shut. Each call is one transaction.
class RulesetPort {
  public:
    virtual ~RulesetPort() = default;
    virtual Result<void> install(const config::Config& config) = 0;
    virtual Result<bool> exists() = 0;
    virtual Result<void> remove() = 0; // opens the ports
};

// The state that a start takes over from an earlier daemon.
class AdoptionPort {
  public:
    virtual ~AdoptionPort() = default;
    virtual Result<void> revoke_copy(const Now& now) = 0; // takes the mark "clean" from the copy of the state
    virtual Result<void> adopt_tables(const Now& now) = 0;
    // Called when the ruleset stands. `ruleset_was_there` says that it stood before the start too, so every session had
    // a grant.
    virtual Result<void> adopt_sessions(bool ruleset_was_there) = 0;
    virtual Result<void> install_bans(const Now& now) = 0; // in the filter, in nftables and in the worker
};

// The ways in which a panic closes grants and sessions.
class ClosingPort {
  public:
    virtual ~ClosingPort() = default;
    virtual std::size_t count_grants() const = 0;
    virtual Result<void> close_grants(const Now& now) = 0;
    virtual Result<void> close_users(const Now& now) = 0; // all grants but the operator's
    // Returns how many ended.
    virtual Result<std::size_t> end_sessions(const std::optional<TcpSession>& spared, const Now& now) = 0;
};

} // namespace xk
