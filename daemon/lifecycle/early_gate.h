// SPDX-License-Identifier: MIT
//
// EarlyGate: the ruleset of a start before the configuration is read. It shuts the ports from the first moment, until
// the start's own ruleset stands or the start has failed.
#pragma once

#include "daemon/config/config.h"
#include "daemon/lifecycle/options.h"
#include "daemon/nft/transaction.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace xk {

class EarlyGate {
  public:
    // `kept` is the netlink socket of the earlier daemon, which owns the table. It is empty if the service manager did
    // not keep it.
    EarlyGate(const Options& options, Fd kept) : options_(options), kept_(std::move(kept)) {}

    // Puts up the last good ruleset where no ruleset of ours stands: from now on the ports are shut, even if the start
    // fails. A dry run does nothing, and neither does a start on trial, unless there is a panic.
    void put_up_last_good();
    // Whether the ruleset that stands is the last good one, put up by this start.
    bool last_good_stands() const { return last_good_stands_; }

    // If a trial ended while no daemon ran, takes the gate away and returns an error.
    Result<void> check_trial(const config::Config& config) const;
    // Takes the last good ruleset away again and returns `why`: a start that is refused in order to protect an ssh
    // session must not shut that session out.
    Error refuse(Error why) const;
    // Call it when a start on trial has failed: takes the gate away. The service manager does not try again, so no
    // daemon would do it at the trial's end.
    void abandon_trial() const;

    // The socket that owns the table, or a new one.
    Result<nft::Socket> open_nft() const;

  private:
    Result<bool> install_last_good();

    const Options& options_;
    Fd kept_;
    bool last_good_stands_ = false;
};

// Call it after a failed start. If a table of ours stands, the log and the service manager get the message that the
// ports are shut and no knock is judged, and how to end that.
void report_shut(const Options& options, const Error& why);

} // namespace xk
