// SPDX-License-Identifier: MIT
//
// Outcome: the result of judging one record.
#pragma once

#include "daemon/authz/pending.h"
#include "daemon/authz/policy.h"
#include "daemon/authz/reject.h"
#include "protocol/base/address.h"
#include "protocol/otp.h"
#include "protocol/request.h"
#include "protocol/service.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>

namespace xk::authz {

struct Accepted {
    Action action = Action::probe;
    bool retry = false; // the same request again: nothing was done
    Address address;
    std::string what; // the services' names; empty for probe and close-all, and for a use that was pending
    // If it is not done yet (Answer::waiting): the index for State::end_asked().
    std::optional<std::uint32_t> waiting;
    // When the device's knock before this one was accepted; none for the first one.
    std::optional<WallTime> last_use = std::nullopt;
};

struct Refused {
    Reject reason = Reject::count_;
    std::chrono::seconds locked_for{0}; // wrong_code and locked: how long
    bool locked_for_good = false;
    bool is_copy = false; // replay: another copy of a packet whose client sends several
};

// The knock passed every check, and the Admission has not answered yet. The knock is counted when it answers.
struct Pending {
    UseToken token;
    bool joined = false; // a retry of a use that waits already; counted as a retry
};

// The content of the knock, to explain the outcome to people. No decision uses it.
struct Facts {
    Action action = Action::probe;
    Address address; // to open for
    ServiceId service = 0;
    Endpoint endpoint;
    // How far the client's clock is ahead of this host's. None if the knock does not say when it was made, or waited
    // for its admission.
    std::optional<std::chrono::seconds> clock_ahead;
    std::optional<TotpStep> totp_step; // of a right code, also where it was used before
};

struct Outcome {
    std::variant<Refused, Accepted, Pending> result;
    std::optional<std::uint32_t> credential; // index; known once its key was proved
    Address source;                          // of the record; after a pending use the address that it is for
    std::optional<Facts> facts;              // once the request was read
    std::optional<KnockMode> way;            // of knocking; none where the knock waited for its admission

    const Refused* refused() const { return std::get_if<Refused>(&result); }
    const Accepted* accepted() const { return std::get_if<Accepted>(&result); }
    const Pending* pending() const { return std::get_if<Pending>(&result); }
};

} // namespace xk::authz
