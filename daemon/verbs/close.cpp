// SPDX-License-Identifier: MIT
#include "daemon/verbs/close.h"

#include "daemon/log.h"
#include "daemon/verbs/fields.h"
#include "daemon/verbs/reply.h"
#include "protocol/base/quote.h"

namespace xk::verbs {
namespace {

using nlohmann::json;

GrantCloser::Credentials ids_of(const authz::Policy& policy, const std::string& who) {
    GrantCloser::Credentials ids;
    for (const std::size_t credential : find_credentials(policy, who))
        ids.push_back(policy.credentials[credential].id);
    return ids;
}

// The grants are closed, so a second request finds none of them and only ends the sessions.
Error unfinished_close(const Error& error, std::size_t closed, const std::string& what) {
    return {"the grants of " + in_quotes(what) + " are closed (" + std::to_string(closed) + "), but " + error.message,
            error.hint.empty() ? "try again: it ends the sessions that live on" : error.hint, error.exit};
}

Result<control::Reply> run_close(GrantCloser& closer, const ConfigSource& source, const Request& request) {
    const std::string what = text_field(request.fields, "what");
    const auto prefix = Prefix::parse_logged(what);
    const auto users = ids_of(source.config()->policy, what);
    if (!prefix && users.empty())
        return Error{in_quotes(what) + " is neither an address nor a user", "knockctl users"};
    const auto closed = prefix ? closer.close_grants(*prefix, request.now) : closer.close_grants(users, request.now);
    if (!closed)
        return closed.error();
    request.action.count = *closed;
    if (!truth_field(request.fields, "cut") || closer.is_dry_run())
        return json_reply({{"closed", *closed}});
    const auto spared = session_field(request.fields, "caller");
    const auto sessions = prefix ? closer.end_sessions(*prefix, spared) : closer.end_sessions(users, spared);
    if (!sessions)
        return unfinished_close(sessions.error(), *closed, what);
    request.action.sessions = sessions->ended;
    if (sessions->shared > 0)
        log::warn("sessions at {} grants may be those of {}, or of others who had a grant there: they live on",
                  sessions->shared, printable(what));
    return json_reply({{"closed", *closed}, {"ended", sessions->ended}, {"shared", sessions->shared}});
}

std::string subject_of_close(const json& fields) {
    return text_field(fields, "what") + (truth_field(fields, "cut") ? " and its sessions" : "");
}

} // namespace

Table close_verbs(GrantCloser& closer, const ConfigSource& config) {
    return {{"close",
             control::Role::admin,
             {{"what", FieldKind::text}, {"cut", FieldKind::truth}, {"caller", FieldKind::session}},
             [&](const Request& request) { return run_close(closer, config, request); },
             subject_of_close}};
}

} // namespace xk::verbs
