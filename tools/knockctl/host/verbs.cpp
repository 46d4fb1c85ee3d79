// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/verbs.h"

#include "daemon/config/config.h"
#include "daemon/config/legacy_secret.h"
#include "daemon/config/secret_file.h"
#include "daemon/lifecycle/trial.h"
#include "daemon/xdp/links.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/doctor/doctor.h"
#include "tools/knockctl/host/identity.h"
#include "tools/knockctl/host/import/import.h"
#include "tools/knockctl/host/setup/setup.h"
#include "tools/knockctl/host/trial.h"
#include "tools/knockctl/host/users/verbs.h"

#include <algorithm>
#include <iostream>

namespace xk::tools {
namespace {

using nlohmann::json;

int run_try(const Control& control, const std::string& file, const std::string& text) {
    const auto time = parse_trial_time(text);
    if (!time)
        return fail(time.error());
    if (!control.somebody_answers()) {
        const auto config = config::load_config(file);
        if (!config)
            return fail(config.error());
        if (auto done = start_on_trial(*config, *time); !done)
            return fail(done.error());
    }
    // Ask the daemon that was just started too: another start, without the trial, may have been under way.
    return control.ask({{"verb", "try"}, {"seconds", time->count()}}, [](const json& r) {
        return "on trial for " + duration_text(std::chrono::seconds(r.value("trial_ends_in_s", 0))) +
               ": everything is taken away then, unless you get in from a second terminal and say\n"
               "knockctl confirm\n";
    });
}

// The faults of one device's secrets, a line each with the remedy behind it.
Result<std::string> faults_of_secrets(const config::Config& config, std::size_t index) {
    auto fds = config::open_secrets(config, index);
    if (!fds)
        return fds.error();
    const authz::Credential& credential = config.policy.credentials[index];
    const config::SecretFiles& files = config.secrets[index];
    std::string faults;
    const auto add = [&](const std::string& path, const Error& error) {
        faults += path + ": " + error.message + (error.hint.empty() ? "" : " (" + error.hint + ")") + "\n";
    };
    Secret<Key> key;
    Secret<authz::LegacySecret> legacy;
    Secret<authz::FactorSecret> factor;
    if (credential.legacy.kind == authz::DeviceKind::xknock) {
        if (!config::read_key_file((*fds)[0], *key))
            add(files.key, Error{"is not a key", "44 characters of base64; \"knockctl keygen\" makes a new one"});
    } else if (const auto read = config::read_legacy_secret((*fds)[0], credential.legacy.kind, *legacy); !read) {
        add(files.key, read.error());
    }
    if (fds->size() > 1 && !config::read_factor_file((*fds)[1], credential.factor, *factor))
        add(files.factor, Error{"is not a second factor's secret", "\"knockctl keygen\" makes a new one"});
    return faults;
}

int run_check(const std::string& file, bool as_json) {
    auto config = config::load_config(file);
    if (!config)
        return fail(config.error());
    // Check the secrets too, which only the worker reads otherwise.
    std::string faults;
    for (std::size_t i = 0; i < config->secrets.size(); ++i) {
        auto found = faults_of_secrets(*config, i);
        if (!found)
            return fail(found.error());
        faults += *found;
    }
    if (!faults.empty()) {
        std::cerr << as_lines(faults);
        return static_cast<int>(Exit::configuration);
    }
    const auto missing = xdp::missing_interfaces(config->interfaces);
    if (!missing)
        return fail(missing.error());
    std::ranges::copy(*missing, std::back_inserter(config->warnings));
    if (as_json) {
        std::cout << text_of({{"file", file},
                              {"credentials", config->policy.credentials.size()},
                              {"services", config->policy.services.size()},
                              {"warnings", config->warnings}},
                             2)
                  << "\n";
        return 0;
    }
    for (const std::string& warning : config->warnings)
        std::cerr << "warning: " << as_line(warning) << "\n";
    std::cout << file << ": good, " << config->policy.credentials.size() << " credentials, "
              << config->policy.services.size() << " services\n";
    return 0;
}

int run_doctor(const std::string& file, const Control& control) {
    const Findings findings = examine(file, [&] { return control.ask({{"verb", "status"}}); });
    std::cout << (control.as_json ? text_of(findings_json(findings), 2) + "\n" : as_lines(show_findings(findings)));
    return has_problem(findings) ? static_cast<int>(Exit::failed) : 0;
}

} // namespace

const HostVerbs kHostVerbs{.put_on_trial = run_try,
                           .check = run_check,
                           .examine = run_doctor,
                           .keep_identity = keep_identity,
                           .make_new_identity = make_new_identity,
                           .set_up = set_up,
                           .users = run_user_verb,
                           .take_over = run_import};

} // namespace xk::tools
