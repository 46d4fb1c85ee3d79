// SPDX-License-Identifier: MIT
#include "daemon/verbs/reload.h"

#include "daemon/log.h"
#include "daemon/verbs/fields.h"
#include "daemon/verbs/reply.h"
#include "protocol/base/quote.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <iterator>

namespace xk::verbs {
namespace {

using nlohmann::json;

// Whom a request names; none: everybody.
Result<std::set<std::string>> users_of(const json& fields) {
    const std::vector<std::string> names = texts_field(fields, "users");
    if (has_field(fields, "users") && names.empty())
        return Error{"\"users\" names nobody", "leave the field out to read the whole configuration", Exit::usage};
    for (const std::string& name : names)
        if (!is_name(name))
            return Error{in_quotes(name) + " is not a user's name", {}, Exit::usage};
    return std::set<std::string>(names.begin(), names.end());
}

Result<control::Reply> run_reload(Reloader& reloader, const ConfigSource& source, const Request& request) {
    const auto users = users_of(request.fields);
    if (!users)
        return users.error();
    if (auto done = users->empty() ? reloader.reload_config() : reloader.reload_users(*users); !done) {
        log::error(done.error());
        return done.error();
    }
    const auto config = source.config();
    std::vector<std::string> warnings = config->warnings;
    std::ranges::copy(reloader.interface_warnings(), std::back_inserter(warnings));
    return json_reply({{"reloaded", config->file}, {"warnings", warnings}, {"disabled", disabled_json(*config)}});
}

// "anna: disabled"
std::string subject_of_reload(const json& fields) {
    std::string subject;
    for (const std::string& name : texts_field(fields, "users"))
        subject += (subject.empty() ? "" : ", ") + name;
    // What changed is the caller's word, and says something only of users who are read for it.
    const std::string change = subject.empty() ? "" : text_field(fields, "change");
    return subject + (change.empty() ? "" : ": ") + change;
}

} // namespace

Table reload_verbs(Reloader& reloader, const ConfigSource& config) {
    return {{"reload",
             control::Role::admin,
             {{"users", FieldKind::texts}, {"change", FieldKind::text}},
             [&](const Request& request) { return run_reload(reloader, config, request); },
             subject_of_reload}};
}

} // namespace xk::verbs
