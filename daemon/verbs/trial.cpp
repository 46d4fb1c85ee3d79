// SPDX-License-Identifier: MIT
#include "daemon/verbs/trial.h"

#include "daemon/lifecycle/trial.h"
#include "daemon/verbs/fields.h"
#include "daemon/verbs/reply.h"
#include "protocol/base/duration.h"

namespace xk::verbs {
namespace {

using nlohmann::json;

std::string time_text(const json& fields) {
    const auto time = seconds_field(fields, "seconds");
    return time ? duration_text(*time) : "";
}

Result<control::Reply> run_try(TrialControl& trial, const Request& request) {
    const auto time = seconds_field(request.fields, "seconds");
    if (!time || *time > Trial::kLongest)
        return Error{"a trial lasts from 1s to " + duration_text(Trial::kLongest), {}, Exit::usage};
    if (auto done = trial.begin_trial(*time); !done)
        return done.error();
    return json_reply({{"trial_ends_in_s", time->count()}});
}

Result<control::Reply> run_confirm(TrialControl& trial) {
    if (auto done = trial.confirm_trial(); !done)
        return done.error();
    return json_reply({{"confirmed", true}});
}

} // namespace

Table trial_verbs(TrialControl& trial) {
    return {{"try",
             control::Role::admin,
             {{"seconds", FieldKind::seconds}},
             [&](const Request& request) { return run_try(trial, request); },
             time_text},
            {"confirm",
             control::Role::admin,
             {},
             [&](const Request&) { return run_confirm(trial); },
             [](const json&) { return std::string(); }}};
}

} // namespace xk::verbs
