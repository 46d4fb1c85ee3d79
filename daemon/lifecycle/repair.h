// SPDX-License-Identifier: MIT
//
// Repair restores our table after somebody else has changed it. It makes our own table anew, with all of its elements.
// Of the administrator's table (mode "external") it restores only the elements in the sets. An element that the
// administrator removed there stays removed.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/lifecycle/ports.h"
#include "daemon/nft/watch.h"

#include <functional>

namespace xk {

// The contents of the table.
class ContentsPort {
  public:
    virtual ~ContentsPort() = default;
    // Ends the grants whose elements somebody removed, because their pinholes are closed.
    virtual Result<void> forget_missing() = 0;
    // Ends single-use grants by which the kernel has let a connection in.
    virtual Result<void> forget_used() = 0;
    // Writes the ruleset and all of its elements in one transaction.
    virtual Result<void> install_whole(const config::Config& config, const Now& now) = 0;
    // Removes elements that belong to no grant of ours.
    virtual Result<void> expel_strangers() = 0;
    virtual std::size_t count_grants() const = 0;
    virtual std::size_t count_bans() const = 0;
};

class Repair {
  public:
    // Returns the change by the notifications since the last call. Empty where none concerns the table.
    using Read = std::function<Result<std::optional<nft::Change>>()>;

    Repair(ContentsPort& contents, CurrentConfig& config, authz::EventSink& events, Read read)
        : contents_(contents), config_(config), events_(events), read_(std::move(read)) {}

    // Call it when there are notifications to read. After an error no more of them come.
    Result<void> on_notice(const Now& now);
    // Repairs after lost notifications, and tries again where a repair failed. After an error no more notifications
    // come.
    Result<void> on_tick(const Now& now);
    // The next tick makes the table anew.
    void want() { unknown_ = true; }

  private:
    void repair(const nft::Change& change, const Now& now);
    std::string table() const; // its name
    std::string text_of(const nft::Change& change) const;
    void report_success(const nft::Change& change, const Now& now);
    void report_failure(Error error, const nft::Change& change);
    bool is_external() const { return config_->gate_mode == config::GateMode::external; }

    ContentsPort& contents_;
    CurrentConfig& config_;
    authz::EventSink& events_;
    Read read_;
    bool unknown_ = false;    // notifications were lost, a repair failed, or want() was called
    bool unrepaired_ = false; // a repair failed, and the log says so
};

} // namespace xk
