// SPDX-License-Identifier: MIT
//
// Outcome: what became of one record.
#pragma once

#include "daemon/authz/pending.h"
#include "daemon/authz/reject.h"
#include "protocol/base/address.h"
#include "protocol/request.h"

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
    std::string what; // the services' names; empty for probe, close-all and what was pending
    // Of one that is not done yet (Answer::waiting): for State::end_asked() when it is.
    std::optional<std::uint32_t> waiting;
};

struct Refused {
    Reject reason = Reject::count_;
    std::chrono::seconds locked_for{0}; // wrong_code and locked: how long
    bool locked_for_good = false;
};

// Everything was right, and its Admission has not answered. It is counted when it is known what becomes of it.
struct Pending {
    UseToken token;
    bool joined = false; // a retry of one that waits already: counted as that
};

struct Outcome {
    std::variant<Refused, Accepted, Pending> result;
    std::optional<std::uint32_t> credential; // index; known once its key was proved
    Address source;                          // of a pending one whom it is for

    const Refused* refused() const { return std::get_if<Refused>(&result); }
    const Accepted* accepted() const { return std::get_if<Accepted>(&result); }
    const Pending* pending() const { return std::get_if<Pending>(&result); }
};

} // namespace xk::authz
