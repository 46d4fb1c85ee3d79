// SPDX-License-Identifier: MIT
//
// Verb: one row of the table of requests of the control socket (docs/control.md). Each group of verbs has a file with
// its rows, and an interface to only those parts of the daemon that the group needs.
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

// The kind of a field of a request. Every field may be absent.
enum class FieldKind {
    text,    // UTF-8
    texts,   // a list of texts
    truth,   // true or false
    seconds, // a whole number, 1 to 4294967295
    bits,    // a whole number, 32 to 128: the length of an IPv6 prefix
    session, // {"remote": address, "remote_port": 1, "local": address, "local_port": 1}
};

struct Field {
    std::string_view name;
    FieldKind kind;
};

// A long list is made in pieces between other work, and each piece reads the clock.
using Clock = std::function<Now()>;

struct Request {
    const nlohmann::json& fields; // the fields of the verb's row are of their kinds
    authz::Operator by;
    Now now;
    const Clock& clock;
    // The operator_action of a verb that changes something. It has subject and operator already, and the verb adds the
    // result.
    authz::Event& action;
    authz::EventSink& events; // for further events of the verb
};

struct Verb {
    std::string_view name;
    control::Role role; // the lowest role that may use it
    std::vector<Field> fields;
    std::function<Result<control::Reply>(const Request&)> run;
    // The text in the event about the object of the change ("ssh for 192.0.2.9"). Only verbs that change something have
    // it.
    std::function<std::string(const nlohmann::json& fields)> subject = {};
};

using Table = std::vector<Verb>;

} // namespace xk::verbs
