// SPDX-License-Identifier: MIT
//
// EarlyGate: the ruleset from the first instruction of a start until its own stands, or until the start has failed.
#pragma once

#include "daemon/config/config.h"
#include "daemon/lifecycle/options.h"
#include "daemon/nft/transaction.h"
#include "protocol/base/fd.h"
#include "protocol/base/result.h"

namespace xk {

class EarlyGate {
  public:
    // `kept`: the socket that owned the table before us, if the service manager kept it.
    EarlyGate(const Options& options, Fd kept) : options_(options), kept_(std::move(kept)) {}

    // Puts up the last good ruleset where nothing of ours stands yet: from now on the ports are shut, whatever comes of
    // this start. Not where a start changes nothing or is for a trial, which a panic outlasts.
    void put_up_last_good();
    // The last good ruleset is what stands.
    bool last_good_stands() const { return last_good_stands_; }

    // A trial whose time ended while no daemon lived: the gate goes and does not come, and this is the error.
    Result<void> check_trial(const config::Config& config) const;
    // A start that is refused for somebody's ssh session has changed nothing for them.
    Error refuse(Error why) const;
    // A start on trial that fails for its configuration is not tried again: nobody may be there to take the gate away.
    void abandon_trial() const;

    // The socket that owned the table before us, or a new one.
    Result<nft::Socket> open_nft() const;

  private:
    Result<bool> install_last_good();

    const Options& options_;
    Fd kept_;
    bool last_good_stands_ = false;
};

// After a start that failed: where a table of ours stands, the log and the service manager say that the ports are shut,
// that nobody is judged, and the way out.
void say_shut(const Options& options, const Error& why);

} // namespace xk
