// SPDX-License-Identifier: MIT
//
// Ports: the world as start, reload, panic and repair see it. Each port is one thing that they can do to it, and each
// can refuse. The wiring implements them with the worker, the filter, nftables and the tables of grants and bans; the
// unit tests implement them with a record that fails where it is told to.
//
// "Counts" means: this configuration decides now. Nothing here keeps a reference into a configuration after the call.
#pragma once

#include "daemon/config/config.h"
#include "daemon/lifecycle/ssh_caller.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <memory>
#include <optional>

namespace xk {

using SharedConfig = std::shared_ptr<const config::Config>;

// The configuration that counts. Whoever reads it over time asks here each time, or shares it.
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

// The process that judges. An error means that it is gone or does not answer.
class WorkerPort {
  public:
    virtual ~WorkerPort() = default;
    // It reads the keys of `next` and goes on to judge by what counts. Credentials whose secrets cannot be used are
    // disabled in `next`; where `counts` is given and they are good there, that is an error instead.
    virtual Result<void> hand_over(config::Config& next, const config::Config* counts) = 0;
    // The configuration that was handed over last counts here: the worker's requests and tags are of it.
    virtual void commit(const SharedConfig& handed_over) = 0;
    // The worker judges by it.
    virtual Result<void> activate() = 0;
    // Waits until the tags of what counts are in the filter.
    virtual Result<void> wait_for_tags() = 0;
    virtual Result<void> set_panic(bool on) = 0;
    // Knocks made up to now are refused; it counts when this returns.
    virtual Result<void> raise_horizon() = 0;
};

// The program at the network card. One counts, and another one may be loaded beside it over the same pinned maps.
class FilterPort {
  public:
    virtual ~FilterPort() = default;
    virtual Result<void> load(const config::Config& next) = 0; // nothing is attached
    virtual void discard_loaded() = 0;
    virtual void commit_loaded() = 0; // it counts from now on
    // Writes what the maps hold of a configuration: disabled credentials, this host's addresses, forwarding.
    virtual Result<void> write(const config::Config& config) = 0;
    // Every pin, and the filter with it.
    virtual Result<void> take_away() = 0;
};

// The interfaces that the filter is on.
class InterfacesPort {
  public:
    virtual ~InterfacesPort() = default;
    // Attaches the filter that was loaded last. After an error the interfaces are as they were before.
    virtual Result<void> attach(const config::Config& next, const Now& now) = 0;
    // The filter that counts, on the interfaces of before the last attach().
    virtual void go_back() = 0;
};

// The guard that drops SYNs without a grant. It may be laxer than the ruleset at any time and never stricter.
class GuardPort {
  public:
    virtual ~GuardPort() = default;
    virtual Result<void> begin(const Now& now) = 0; // at the start: off, with the sources that are known
    virtual void off() = 0;                         // before the ruleset changes
    virtual void on(const config::Config& config) = 0;
};

// The rules that keep the ports shut; one transaction each.
class RulesetPort {
  public:
    virtual ~RulesetPort() = default;
    virtual Result<void> install(const config::Config& config) = 0;
    virtual Result<bool> exists() = 0;
    virtual Result<void> remove() = 0; // the ports are open then
};

// What a start takes over from a daemon before it.
class AdoptionPort {
  public:
    virtual ~AdoptionPort() = default;
    virtual Result<void> revoke_copy(const Now& now) = 0; // the copy of the state no longer says that it is clean
    virtual Result<void> adopt_tables(const Now& now) = 0;
    // When the ruleset stands. `ruleset_was_there`: it stood before the start too, so that every session had a grant.
    virtual Result<void> adopt_sessions(bool ruleset_was_there) = 0;
    virtual Result<void> install_bans(const Now& now) = 0; // in the filter, in nftables and with the worker
};

// How a panic closes everything.
class ClosingPort {
  public:
    virtual ~ClosingPort() = default;
    virtual std::size_t count_grants() const = 0;
    virtual Result<void> close_grants(const Now& now) = 0;
    virtual Result<void> close_users(const Now& now) = 0; // those of everybody but the operator
    // How many ended.
    virtual Result<std::size_t> end_sessions(const std::optional<TcpSession>& spared, const Now& now) = 0;
};

} // namespace xk
