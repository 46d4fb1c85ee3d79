// SPDX-License-Identifier: MIT
//
// Verb: one row of the table of what can be asked for at the control socket (docs/control.md). Each group of verbs has
// a file, which gives the rows, and an interface to what the group reads or does and to nothing else.
#pragma once

#include "daemon/authz/event.h"
#include "daemon/control/server.h"
#include "protocol/base/clock.h"
#include "protocol/base/result.h"

#include <nlohmann/json_fwd.hpp>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace xk::verbs {

// What a field of a request may be; it may be absent always.
enum class FieldKind {
    text,    // UTF-8
    texts,   // a list of them
    truth,   // true or false
    seconds, // a whole number, 1 to 4294967295
    bits,    // a whole number, 32 to 128: the length of a prefix of IPv6
    session, // {"remote": address, "remote_port": 1, "local": address, "local_port": 1}
};

struct Field {
    std::string_view name;
    FieldKind kind;
};

// A list may be long, and is made while other things happen: each piece asks what time it is.
using Clock = std::function<Now()>;

struct Request {
    const nlohmann::json& fields; // those that the verb's row names are of their kinds
    authz::Operator by;
    Now now;
    const Clock& clock;
};

struct Verb {
    std::string_view name;
    control::Role role; // may use it, and whoever may more
    std::vector<Field> fields;
    std::function<Result<control::Answer>(const Request&)> run;
    // Of a verb that changes something: what it is about, for the event ("ssh for 192.0.2.9").
    std::function<std::string(const nlohmann::json& fields)> subject = {};
};

using Table = std::vector<Verb>;

} // namespace xk::verbs
