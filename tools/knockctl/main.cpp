// SPDX-License-Identifier: MIT
#include "daemon/config/config.h"
#include "daemon/config/secret_file.h"
#include "daemon/control/frame.h"
#include "daemon/trial.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/closing.h"
#include "tools/knockctl/doctor.h"
#include "tools/knockctl/keygen.h"
#include "tools/knockctl/show.h"
#include "tools/knockctl/trial.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <iostream>

namespace {

using namespace xk;
using nlohmann::json;

constexpr const char* kConfig = "/etc/xknock/xknock.yaml";
constexpr const char* kSocket = "/run/xknock/control.sock";

int fail(const Error& error) {
    std::cerr << (error.message.find('\n') == std::string::npos ? "knockctl: " : "") << error.message << "\n";
    if (!error.hint.empty())
        std::cerr << "  hint: " << error.hint << "\n";
    return static_cast<int>(error.exit);
}

// "30s", or what fail2ban has: a number of seconds, negative for ever.
Result<std::optional<std::chrono::seconds>> parse_ban_time(const std::string& text) {
    long long number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code == std::errc{} && end == text.data() + text.size()) {
        if (number < 0)
            return std::optional<std::chrono::seconds>();
        if (number <= UINT32_MAX)
            return std::optional(std::chrono::seconds(number));
    }
    auto time = parse_duration(text);
    if (!time)
        return time.error();
    return std::optional(*time);
}

// Words of the command line and names of files need not be UTF-8; JSON has to be.
std::string text_of(const json& value, int indent = -1) {
    return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

class Control {
  public:
    std::string socket = kSocket;
    bool as_json = false;

    bool somebody_answers() const { return control::ask(socket, text_of({{"verb", "status"}})).has_value(); }

    // The reply; what it says of an error is one.
    Result<json> ask(const json& request) const {
        auto reply = control::ask(socket, text_of(request));
        if (!reply)
            return reply.error();
        json parsed = json::parse(*reply, nullptr, false);
        if (parsed.is_discarded() || !parsed.is_object())
            return Error{"the reply of xknockd makes no sense", {}};
        if (parsed.contains("error"))
            return Error{parsed.value("error", ""), parsed.value("hint", ""), static_cast<Exit>(parsed.value("exit", 1))};
        return parsed;
    }

    // Asks and prints: the reply itself, or what `show` makes of it.
    int ask(const json& request, const std::function<std::string(const json&)>& show) const {
        const auto reply = ask(request);
        if (!reply)
            return fail(reply.error());
        std::cout << (as_json ? text_of(*reply, 2) + "\n" : show(*reply));
        return 0;
    }
};

// A thousand at a time, which is a transaction each.
int ban_all(const Control& control, json request) {
    constexpr std::size_t kAtOnce = 1000;
    std::size_t banned = 0;
    json refused = json::array();
    bool more = true;
    while (more) {
        json prefixes = json::array();
        std::string line;
        while (prefixes.size() < kAtOnce && (more = static_cast<bool>(std::getline(std::cin, line)))) {
            line.erase(line.find_last_not_of(" \t\r") + 1);
            line.erase(0, line.find_first_not_of(" \t"));
            if (!line.empty() && line[0] != '#')
                prefixes.push_back(line);
        }
        if (prefixes.empty())
            continue;
        request["prefixes"] = std::move(prefixes);
        const auto reply = control.ask(request);
        if (!reply)
            return fail(reply.error());
        banned += reply->at("banned").get<std::size_t>();
        for (const json& each : reply->at("refused"))
            refused.push_back(each);
    }
    if (control.as_json)
        std::cout << text_of({{"banned", banned}, {"refused", refused}}, 2) << "\n";
    else
        std::cout << "banned " << banned << "\n";
    for (const json& each : refused)
        std::cerr << "knockctl: " << printable(each.at("prefix").get<std::string>()) << ": "
                  << printable(each.at("error").get<std::string>(), 500) << "\n";
    return refused.empty() ? 0 : static_cast<int>(Exit::failed);
}

int run_try(const Control& control, const std::string& file, const std::string& text) {
    const auto time = parse_trial_time(text);
    if (!time)
        return fail(time.error());
    if (!control.somebody_answers()) {
        const auto config = config::load_config(file);
        if (!config)
            return fail(config.error());
        if (auto done = tools::start_on_trial(*config, *time); !done)
            return fail(done.error());
    }
    // Also of one that was just started: another start may have been under way, without the trial.
    return control.ask({{"verb", "try"}, {"seconds", time->count()}}, [](const json& r) {
        return "on trial for " + duration_text(std::chrono::seconds(r.value("trial_ends_in_s", 0))) +
               ": everything is taken away then, unless you get in from a second terminal and say\n"
               "knockctl confirm\n";
    });
}

int run_check(const std::string& file, bool as_json) {
    auto config = config::load_config(file);
    if (!config)
        return fail(config.error());
    // What only the worker reads otherwise.
    std::string faults;
    for (std::size_t i = 0; i < config->secrets.size(); ++i) {
        auto fds = config::open_secrets(*config, i);
        if (!fds)
            return fail(fds.error());
        Secret<Key> key;
        Secret<gate::FactorSecret> factor;
        if (!config::read_key_file((*fds)[0], *key))
            faults += config->secrets[i].key + ": is not a key\n";
        if (fds->size() > 1 &&
            !config::read_factor_file((*fds)[1], config->policy.credentials[i].factor, *factor))
            faults += config->secrets[i].factor + ": is not a second factor's secret\n";
    }
    if (!faults.empty()) {
        std::cerr << faults;
        return static_cast<int>(Exit::configuration);
    }
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
        std::cerr << "warning: " << warning << "\n";
    std::cout << file << ": good, " << config->policy.credentials.size() << " credentials, "
              << config->policy.services.size() << " services\n";
    return 0;
}

int run_doctor(const std::string& file, const Control& control) {
    if (::geteuid() != 0)
        return fail(Error{"the doctor looks at what only root sees", "sudo knockctl doctor"});
    const tools::Findings findings = tools::examine(file, [&] { return control.ask({{"verb", "status"}}); });
    std::cout << (control.as_json ? text_of(tools::findings_json(findings), 2) + "\n" : tools::show_findings(findings));
    return tools::has_problem(findings) ? static_cast<int>(Exit::failed) : 0;
}

int run_keygen(const tools::KeygenOptions& options, bool as_json, bool no_qr) {
    ::umask(077);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    auto enrolled = tools::enroll(options);
    if (!enrolled)
        return fail(enrolled.error());
    if (as_json) {
        json out = {{"profile", enrolled->profile_file}, {"files", enrolled->files}, {"notes", enrolled->notes}};
        if (!enrolled->otpauth.empty())
            out["otpauth"] = enrolled->otpauth;
        std::cout << text_of(out, 2) << "\n";
        return 0;
    }
    for (const std::string& note : enrolled->notes)
        std::cout << note << "\n";
    for (const std::string& file : enrolled->files)
        std::cout << "wrote " << file << "\n";
    if (!enrolled->otpauth.empty()) {
        std::cout << "\nFor the authenticator of " << options.user << ", and for nobody else:\n";
        if (!no_qr)
            if (const auto qr = tools::qr_code(enrolled->otpauth, ::isatty(STDOUT_FILENO) != 0))
                std::cout << *qr;
        std::cout << enrolled->otpauth << "\n";
    }
    std::cout << "\nNext: bring " << enrolled->profile_file << " to the device, into ~/.config/xknock (mode 0600),"
              << "\nand let the daemon know: knockctl reload\n";
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    CLI::App app("knockctl: the operator's tool of xknockd");
    app.require_subcommand(1);
    app.set_version_flag("--version", "knockctl " XK_VERSION);
    Control control;
    app.add_option("--socket", control.socket, "control socket of the daemon")->capture_default_str();
    std::function<int()> run;
    std::string what, file = kConfig, time, reason, service, factor = "totp";
    tools::KeygenOptions keygen;
    bool no_qr = false, from_input = false, single = false, cut = false, over = false, yes = false;

    const auto add = [&](const char* name, const char* description, std::function<int()> function) {
        CLI::App* const sub = app.add_subcommand(name, description);
        sub->callback([&run, function] { run = function; });
        return sub;
    };
    const auto add_json = [&](CLI::App* sub) { sub->add_flag("--json", control.as_json, "print JSON"); };
    const auto add_view = [&](const char* name, const char* description, std::string (*show)(const json&)) {
        add_json(add(name, description, [&, name, show] { return control.ask({{"verb", name}}, show); }));
    };
    add_view("status", "the daemon in a few lines", tools::show_status);
    add_view("grants", "open doors", tools::show_grants);
    add_view("users", "users, devices and their standing", tools::show_users);
    add_view("stats", "counters of filter and judgement", tools::show_stats);
    add_view("bans", "who is banned", tools::show_bans);

    CLI::App* sub = add("ban", "drop everything from an address or network", [&]() -> int {
        if (what.empty() != from_input)
            return fail(Error{"ban whom?", "an address or network, or --stdin", Exit::usage});
        json request = {{"verb", "ban"}, {"reason", reason}};
        if (!time.empty()) {
            auto parsed = parse_ban_time(time);
            if (!parsed)
                return fail(Error{parsed.error().message, parsed.error().hint, Exit::usage});
            if (*parsed)
                request["seconds"] = (**parsed).count();
        }
        if (from_input)
            return ban_all(control, request);
        request["prefix"] = what;
        return control.ask(request, [](const json& r) { return "banned " + r.value("banned", "") + "\n"; });
    });
    sub->add_option("address", what, "address or network");
    sub->add_flag("--stdin", from_input, "ban what standard input names, one a line");
    sub->add_option("--for", time, "how long: 10m, 1d, or seconds; negative or absent: for ever");
    sub->add_option("--reason", reason, "for the list of bans");
    add_json(sub);
    sub = add("unban", "take a ban away", [&] {
        return control.ask({{"verb", "unban"}, {"prefix", what}}, [&](const json& r) {
            return (r.value("unbanned", 0) ? "unbanned " : "was not banned: ") + printable(what) + "\n";
        });
    });
    sub->add_option("address", what, "address or network")->required();
    add_json(sub);
    sub = add("open", "open a service for an address, without a knock", [&]() -> int {
        json request = {{"verb", "open"}, {"address", what}, {"service", service}, {"single", single}};
        const auto parsed = parse_duration(time);
        if (!parsed)
            return fail(Error{parsed.error().message, parsed.error().hint, Exit::usage});
        request["seconds"] = parsed->count();
        return control.ask(request, [](const json& r) {
            return "opened " + r.value("service", "") + " for " + r.value("address", "") + " for " +
                   duration_text(std::chrono::seconds(r.value("expires_in_s", 0))) + "\n";
        });
    });
    sub->add_option("address", what, "address")->required();
    sub->add_option("service", service, "its name, all, tcp/22, or tcp/22@HOST behind this one")->required();
    sub->add_option("--for", time, "how long: 10m, 1d")->required();
    sub->add_flag("--single", single, "for one connection");
    add_json(sub);
    sub = add("close", "close the doors of an address, network, user or user/device",
              [&] { return control.ask(tools::close_request(what, cut), tools::show_closed); });
    sub->add_option("what", what, "address, network, user or user/device")->required();
    sub->add_flag("--cut", cut, "and end their sessions");
    add_json(sub);
    sub = add("panic", "close everything, end every session but those of gate.allow and yours, and let nobody in", [&]() -> int {
        if (over)
            return control.ask({{"verb", "panic"}, {"over", true}}, tools::show_panic_over);
        const auto request = tools::panic_request(yes);
        return request ? control.ask(*request, tools::show_panic) : fail(request.error());
    });
    sub->add_flag("--over", over, "knocks are let in again");
    sub->add_flag("--yes", yes, "also where your own ssh session cannot be told and may end");
    add_json(sub);
    sub = add("unlock", "forget the wrong codes of a user or user/device", [&] {
        return control.ask({{"verb", "unlock"}, {"what", what}}, [](const json& r) {
            return "unlocked " + tools::counted(r.value("unlocked", 0u), "device") + "\n";
        });
    });
    sub->add_option("user", what, "user or user/device")->required();
    add_json(sub);
    sub = app.add_subcommand("clock", "judgement and the wall clock");
    sub->require_subcommand(1);
    sub = sub->add_subcommand("accept", "say that the wall clock is right, although it is behind what it was");
    sub->callback([&] {
        run = [&] {
            return control.ask({{"verb", "clock-accept"}}, [](const json& r) {
                return "accepted " + r.value("accepted", "") + "; knocks are let in again in a minute at most\n";
            });
        };
    });
    add_json(sub);
    sub = add("reload", "read the configuration again; a bad one changes nothing", [&] {
        return control.ask({{"verb", "reload"}}, [](const json& r) {
            std::string out;
            for (const json& warning : r.at("warnings"))
                out += "warning: " + printable(warning.get<std::string>(), 2000) + "\n";
            return out + "reloaded " + r.value("reloaded", "") + "\n";
        });
    });
    add_json(sub);
    sub = add("try", "the gate on trial: taken away after this time, unless \"confirm\" comes before",
              [&] { return run_try(control, file, time); });
    sub->add_option("time", time, "how long: 5m")->required();
    sub->add_option("-c,--config", file, "configuration of a daemon that does not run yet")->capture_default_str();
    add_json(sub);
    sub = add("confirm", "end the trial: the gate stays", [&] {
        return control.ask({{"verb", "confirm"}},
                           [](const json&) { return std::string("confirmed: the gate stays\n"); });
    });
    add_json(sub);
    sub = add("check", "read a configuration and say every fault of it", [&] { return run_check(file, control.as_json); });
    sub->add_option("file", file, "configuration file")->capture_default_str();
    add_json(sub);

    sub = add("doctor", "look at this host and say what is wrong", [&] { return run_doctor(file, control); });
    sub->add_option("-c,--config", file, "configuration file")->capture_default_str();
    add_json(sub);

    sub = add("keygen", "enroll a device: its files here and the profile for the client", [&]() -> int {
        keygen.config_file = file;
        keygen.factor = factor == "totp"   ? FactorKind::totp
                        : factor == "hmac" ? FactorKind::hmac
                                           : FactorKind::none;
        return run_keygen(keygen, control.as_json, no_qr);
    });
    sub->add_option("user", keygen.user, "name of the user, new or known")->required();
    sub->add_option("--device", keygen.device, "name of the device")->default_val("main");
    sub->add_option("--factor", factor, "second factor")
        ->check(CLI::IsMember({"totp", "hmac", "none"}))
        ->capture_default_str();
    sub->add_option("--digits", keygen.digits, "of a totp code")->check(CLI::IsMember({6, 8}))->capture_default_str();
    sub->add_option("--service", keygen.services, "services of a new user (all)");
    sub->add_option("--host", keygen.hosts, "names and addresses of this server, for the profile");
    sub->add_option("--server", keygen.server, "where to knock, if not at the host itself");
    sub->add_option("--out", keygen.profile_file, "file for the profile (xknock-USER-DEVICE.yaml)");
    sub->add_option("-c,--config", file, "configuration file")->capture_default_str();
    sub->add_flag("--no-qr", no_qr, "no QR code");
    add_json(sub);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return app.exit(e) == 0 ? static_cast<int>(Exit::ok) : static_cast<int>(Exit::usage);
    }
    try {
        return run();
    } catch (const json::exception&) { // a daemon of another release
        return fail(Error{"the reply of xknockd makes no sense to this knockctl", "are both of one release?"});
    }
}
