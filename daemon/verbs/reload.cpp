// SPDX-License-Identifier: MIT
#include "daemon/verbs/reload.h"

#include "daemon/log.h"
#include "daemon/verbs/reply.h"

#include <algorithm>
#include <iterator>

namespace xk::verbs {
namespace {

Result<control::Reply> run_reload(Reloader& reloader, const ConfigSource& source) {
    if (auto done = reloader.reload_config(); !done) {
        log::error(done.error());
        return done.error();
    }
    const auto config = source.config();
    std::vector<std::string> warnings = config->warnings;
    std::ranges::copy(reloader.interface_warnings(), std::back_inserter(warnings));
    return json_reply({{"reloaded", config->file}, {"warnings", warnings}, {"disabled", disabled_json(*config)}});
}

} // namespace

Table reload_verbs(Reloader& reloader, const ConfigSource& config) {
    return {{"reload",
             control::Role::admin,
             {},
             [&](const Request&) { return run_reload(reloader, config); },
             [](const nlohmann::json&) { return std::string(); }}};
}

} // namespace xk::verbs
