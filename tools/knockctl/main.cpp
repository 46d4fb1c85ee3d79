// SPDX-License-Identifier: MIT
#include "protocol/base/duration.h"
#include "protocol/base/output.h"
#include "protocol/base/quote.h"
#include "tools/knockctl/bans.h"
#include "tools/knockctl/closing.h"
#include "tools/knockctl/control.h"
#include "tools/knockctl/host.h"
#include "tools/knockctl/show.h"

#include <CLI/CLI.hpp>

#include <unistd.h>

#include <functional>

namespace {

using namespace xk;
using nlohmann::json;
using tools::counted;
using tools::fail;

constexpr const char* kConfig = "/etc/xknock/xknock.yaml";

int run_command(int argc, char** argv) {
    tools::remember_arguments(argv);
    CLI::App app("knockctl: the operator's tool of xknockd");
    app.require_subcommand(1);
    app.set_version_flag("--version", "knockctl " XK_VERSION);
    tools::Control control;
    app.add_option("--socket", control.socket, "control socket of the daemon")->capture_default_str();
    std::function<int()> run;
    std::string what, file = kConfig, time, service, factor = "totp";
    tools::KeygenOptions keygen;
    bool no_qr = false, single = false, cut = false, over = false, yes = false;

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
    add_view("grants", "open grants", tools::show_grants);
    add_view("users", "users, devices and their standing", tools::show_users);
    add_view("stats", "counters of filter and judgement", tools::show_stats);
    add_view("bans", "who is banned", tools::show_bans);

    tools::BanOptions ban;
    CLI::App* sub =
        add("ban", "drop everything from an address or network", [&] { return tools::run_ban(control, ban); });
    sub->add_option("address", ban.what, "address or network");
    sub->add_flag("--stdin", ban.from_input, "ban what standard input names, one a line");
    sub->add_option("--for", ban.time, "how long: 10m, 1d, or seconds; negative or absent: for ever");
    sub->add_option("--reason", ban.reason, "whose ban it is: each reason has its own time, and the longest counts");
    sub->add_option("--ipv6-prefix", ban.ipv6_prefix,
                    "ban an address of IPv6 by its network of so many bits, 32 to 128");
    add_json(sub);
    sub = add("unban", "take a ban away", [&] { return tools::run_unban(control, ban); });
    sub->add_option("address", ban.what, "address or network");
    sub->add_flag("--stdin", ban.from_input, "unban what standard input names, one a line");
    sub->add_flag("--all", ban.all, "everybody");
    sub->add_option("--family", ban.family, "with --all: of this family only")
        ->check(CLI::IsMember({"inet4", "inet6"}));
    sub->add_option("--reason", ban.reason, "only the bans of this reason; absent: all of them")
        ->each([&](const std::string&) { ban.has_reason = true; });
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
    sub = add("close", "close the grants of an address, network, user or user/device",
              [&] { return control.ask(tools::close_request(what, cut), tools::show_closed); });
    sub->add_option("what", what, "address, network, user or user/device")->required();
    sub->add_flag("--cut", cut, "and end their sessions");
    add_json(sub);
    sub = add("panic", "close everything, end every session but those of gate.allow and yours, and let nobody in",
              [&]() -> int {
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
            return "unlocked " + counted(r.value("unlocked", 0u), "device") + "\n";
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
    sub = add("takeover", "this host takes over from another one: knocks made up to now are refused", [&] {
        return control.ask({{"verb", "takeover"}}, [](const json& r) {
            return "knocks made before " + r.value("refused_until", "") + " are refused\n";
        });
    });
    add_json(sub);
    CLI::App* const identity =
        app.add_subcommand("identity", "whose the server's identity is, where a copy of it was found");
    identity->require_subcommand(1);
    for (const bool make_new : {false, true}) {
        sub = identity->add_subcommand(make_new ? "new" : "keep",
                                       make_new ? "this machine gets an identity of its own; profiles must follow"
                                                : "this machine may carry the identity that is here");
        sub->callback(
            [&, make_new] { run = [&, make_new] { return tools::run_identity(make_new, file, control.as_json); }; });
        sub->add_option("-c,--config", file, "configuration file")->capture_default_str();
        add_json(sub);
    }
    sub = add("reload", "read the configuration again; a bad one changes nothing", [&] {
        return control.ask({{"verb", "reload"}}, [](const json& r) {
            std::string out;
            for (const json& warning : r.at("warnings"))
                out += "warning: " + as_line(warning.get<std::string>()) + "\n";
            return out + tools::show_disabled(r) + "reloaded " + r.value("reloaded", "") + "\n";
        });
    });
    add_json(sub);
    sub = add("try", "the gate on trial: taken away after this time, unless \"confirm\" comes before",
              [&] { return tools::run_try(control, file, time); });
    sub->add_option("time", time, "how long: 5m")->required();
    sub->add_option("-c,--config", file, "configuration of a daemon that does not run yet")->capture_default_str();
    add_json(sub);
    sub = add("confirm", "end the trial: the gate stays", [&] {
        return control.ask({{"verb", "confirm"}},
                           [](const json&) { return std::string("confirmed: the gate stays\n"); });
    });
    add_json(sub);
    sub = add("check", "read a configuration and say every fault of it",
              [&] { return tools::run_check(file, control.as_json); });
    sub->add_option("file", file, "configuration file")->capture_default_str();
    add_json(sub);

    sub = add("doctor", "look at this host and say what is wrong", [&]() -> int {
        if (::geteuid() != 0)
            return fail(Error{"the doctor looks at what only root sees", "sudo knockctl doctor"});
        return tools::run_doctor(file, control);
    });
    sub->add_option("-c,--config", file, "configuration file")->capture_default_str();
    add_json(sub);

    sub = add("keygen", "enroll a device: its files here and the profile for the client", [&] {
        keygen.config_file = file;
        keygen.factor = factor == "totp" ? FactorKind::totp : factor == "hmac" ? FactorKind::hmac : FactorKind::none;
        return tools::run_keygen(keygen, control.as_json, no_qr);
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
        return fail(Error{"the reply of xknockd makes no sense to this knockctl", control.hint_of_releases()});
    }
}

} // namespace

int main(int argc, char** argv) {
    hold_standard_descriptors();
    return finish_output("knockctl", run_command(argc, argv));
}
