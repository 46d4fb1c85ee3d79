// SPDX-License-Identifier: MIT
//
// Repair: somebody else changed the table that we fill. Our own is made anew, with all that belongs into it. Of the
// administrator's (mode "external") only the sets are ours to fill, and their change of single elements is their will.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/lifecycle/ports.h"
#include "daemon/nft/watch.h"

#include <functional>

namespace xk {

// What belongs into the table.
class ContentsPort {
  public:
    virtual ~ContentsPort() = default;
    // Grants whose elements somebody took away: they closed them.
    virtual Result<void> forget_missing() = 0;
    // Single-use grants that the kernel has let a connection in by.
    virtual Result<void> forget_used() = 0;
    // The ruleset and all of its elements, in one transaction.
    virtual Result<void> install_whole(const config::Config& config, const Now& now) = 0;
    // Elements that are in nobody's book.
    virtual Result<void> expel_strangers() = 0;
    virtual std::size_t count_grants() const = 0;
    virtual std::size_t count_bans() const = 0;
};

class Repair {
  public:
    // Reads what came since the last time; nothing where it does not concern the table.
    using Read = std::function<Result<std::optional<nft::Change>>()>;

    Repair(ContentsPort& contents, CurrentConfig& config, authz::EventSink& events, Read read)
        : contents_(contents), config_(config), events_(events), read_(std::move(read)) {}

    // There is something to read. An error: nobody tells of changes any more.
    Result<void> on_notice(const Now& now);
    // What failed, and what there was too much of to be told.
    void tick(const Now& now);
    // On the next tick the table is made anew.
    void want() { unknown_ = true; }

  private:
    void repair(const nft::Change& change, const Now& now);
    std::string table() const; // its name
    std::string text_of(const nft::Change& change) const;
    void tell_success(const nft::Change& change, const Now& now);
    void tell_failure(Error error, const nft::Change& change);
    bool is_external() const { return config_->gate_mode == config::GateMode::external; }

    ContentsPort& contents_;
    CurrentConfig& config_;
    authz::EventSink& events_;
    Read read_;
    bool unknown_ = false;    // changes were lost, or a repair failed
    bool unrepaired_ = false; // a repair failed, and the log says so
};

} // namespace xk
