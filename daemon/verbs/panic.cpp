// SPDX-License-Identifier: MIT
#include "daemon/verbs/panic.h"

#include "daemon/verbs/fields.h"
#include "daemon/verbs/reply.h"

namespace xk::verbs {
namespace {

Result<control::Reply> run_panic(PanicControl& panic, const Request& request) {
    const bool over = truth_field(request.fields, "over");
    if (over) {
        const auto done = panic.end_panic();
        if (!done)
            return done.error();
        return json_reply({{"over", *done}});
    }
    const auto closed = panic.begin_panic(session_field(request.fields, "caller"));
    if (!closed)
        return closed.error();
    request.action.count = closed->grants;
    request.action.sessions = closed->sessions;
    return json_reply(
        {{"closed", closed->grants}, {"ended", closed->sessions}, {"outlives_restart", closed->outlives_restart}});
}

} // namespace

Table panic_verbs(PanicControl& panic) {
    return {{"panic",
             control::Role::admin,
             {{"over", FieldKind::truth}, {"caller", FieldKind::session}},
             [&](const Request& request) { return run_panic(panic, request); },
             [](const nlohmann::json& fields) { return std::string(truth_field(fields, "over") ? "--over" : ""); }}};
}

} // namespace xk::verbs
