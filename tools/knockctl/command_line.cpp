// SPDX-License-Identifier: MIT
#include "tools/knockctl/command_line.h"

#include "protocol/base/duration.h"
#include "protocol/base/quote.h"
#include "protocol/cli/usage.h"
#include "tools/knockctl/bans.h"
#include "tools/knockctl/closing.h"
#include "tools/knockctl/control.h"
#include "tools/knockctl/import_command_line.h"
#include "tools/knockctl/setup_command_line.h"
#include "tools/knockctl/show.h"
#include "tools/knockctl/user_command_line.h"

#include <CLI/CLI.hpp>

#include <unistd.h>

#include <functional>

namespace xk::tools {
namespace {

using nlohmann::json;

// The options of all verbs, and the verb that was chosen.
class CommandLine {
  public:
    explicit CommandLine(const HostVerbs& host);
    int run(int argc, char** argv);
    const CLI::App& app() const { return app_; }

  private:
    CLI::App* add(const char* name, const char* description, std::function<int()> function) {
        return add_to(app_, name, description, std::move(function));
    }
    CLI::App* add_to(CLI::App& parent, const char* name, const char* description, std::function<int()> function);
    void add_json(CLI::App* sub) { sub->add_flag("--json", control_.as_json, "print JSON"); }
    void add_config(CLI::App* sub, const char* description = "configuration file") {
        sub->add_option("-c,--config", file_, description)->capture_default_str();
    }
    void add_view(const char* name, const char* description, std::string (*show)(const json&)) {
        add_json(add(name, description, [this, name, show] { return control_.ask({{"verb", name}}, show); }));
    }

    void add_views();
    void add_bans();
    void add_grants();
    void add_panic();
    void add_clock();
    void add_configuration();
    void add_trial();
    void add_identity();
    void add_takeover();

    int open_grant();

    const HostVerbs& host_;
    CLI::App app_{"the operator's tool of xknockd", "knockctl"};
    Control control_;
    std::function<int()> run_;
    std::string what_, file_ = "/etc/xknock/xknock.yaml", time_, service_;
    BanOptions ban_;
    UserCommandLine users_{host_, control_, file_, [this](std::function<int()> verb) { run_ = std::move(verb); }};
    SetupOptions setup_;
    ImportOptions import_;
    bool single_use_ = false, cut_ = false, over_ = false, yes_ = false;
};

CLI::App* CommandLine::add_to(CLI::App& parent, const char* name, const char* description,
                              std::function<int()> function) {
    CLI::App* const sub = parent.add_subcommand(name, description);
    sub->callback([this, function] { run_ = function; });
    return sub;
}

void CommandLine::add_views() {
    add_view("status", "the daemon in a few lines", show_status);
    add_view("grants", "open grants", show_grants);
    add_view("users", "users, devices and their status", show_users);
    add_view("stats", "counters of filter and judgement", show_stats);
    add_view("bans", "who is banned", show_bans);
}

void CommandLine::add_bans() {
    CLI::App* sub = add("ban", "drop everything from an address or network", [&] { return run_ban(control_, ban_); });
    sub->add_option("address", ban_.what, "address or network");
    sub->add_flag("--stdin", ban_.from_input, "ban what standard input names, one a line");
    sub->add_option("--for", ban_.time, "how long: 10m, 1d, or seconds; negative or absent: for ever");
    sub->add_option("--reason", ban_.reason, "whose ban it is: each reason has its own time, and the longest counts");
    sub->add_option("--ipv6-prefix", ban_.ipv6_prefix,
                    "ban an address of IPv6 by its network of so many bits, 32 to 128");
    add_json(sub);
    sub = add("unban", "take a ban away", [&] { return run_unban(control_, ban_); });
    sub->add_option("address", ban_.what, "address or network");
    sub->add_flag("--stdin", ban_.from_input, "unban what standard input names, one a line");
    sub->add_flag("--all", ban_.all, "everybody");
    sub->add_option("--family", ban_.family, "with --all: of this family only")
        ->check(CLI::IsMember({"inet4", "inet6"}));
    sub->add_option("--reason", ban_.reason, "only the bans of this reason; absent: all of them")
        ->each([&](const std::string&) { ban_.has_reason = true; });
    add_json(sub);
}

int CommandLine::open_grant() {
    json request = {{"verb", "open"}, {"address", what_}, {"service", service_}, {"single", single_use_}};
    const auto parsed = parse_duration(time_);
    if (!parsed)
        return fail(Error{parsed.error().message, parsed.error().hint, Exit::usage});
    request["seconds"] = parsed->count();
    return control_.ask(request, [](const json& r) {
        return "opened " + r.value("service", "") + " for " + r.value("address", "") + " for " +
               duration_text(std::chrono::seconds(r.value("expires_in_s", 0))) + "\n";
    });
}

void CommandLine::add_grants() {
    CLI::App* sub = add("open", "open a service for an address, without a knock", [&] { return open_grant(); });
    sub->add_option("address", what_, "address")->required();
    sub->add_option("service", service_, "its name, all, tcp/22, or tcp/22@HOST behind this one")->required();
    sub->add_option("--for", time_, "how long: 10m, 1d")->required();
    sub->add_flag("--single", single_use_, "for one connection");
    add_json(sub);
    sub = add("close", "close the grants of an address, network, user or user/device",
              [&] { return control_.ask(close_request(what_, cut_), show_closed); });
    sub->add_option("what", what_, "address, network, user or user/device")->required();
    sub->add_flag("--cut", cut_, "and end their sessions");
    add_json(sub);
    sub = add("unlock", "forget the wrong codes of a user or user/device", [&] { return unlock(control_, what_); });
    sub->add_option("user", what_, "user or user/device")->required();
    add_json(sub);
}

void CommandLine::add_panic() {
    CLI::App* const sub =
        add("panic", "close everything, end every session but those of gate.allow and yours, and let nobody in",
            [&]() -> int {
                if (over_)
                    return control_.ask({{"verb", "panic"}, {"over", true}}, show_panic_over);
                const auto request = panic_request(yes_);
                return request ? control_.ask(*request, show_panic) : fail(request.error());
            });
    sub->add_flag("--over", over_, "knocks are let in again");
    sub->add_flag("--yes", yes_, "also where your own ssh session cannot be told and may end");
    add_json(sub);
}

void CommandLine::add_clock() {
    CLI::App* const clock = app_.add_subcommand("clock", "judgement and the wall clock");
    clock->require_subcommand(1);
    add_json(add_to(*clock, "accept", "say that the wall clock is right, although it is behind what it was", [&] {
        return control_.ask({{"verb", "clock-accept"}}, [](const json& r) {
            return "accepted " + r.value("accepted", "") + "; knocks are let in again in a minute at most\n";
        });
    }));
    add_json(add("takeover", "this host takes over from another one: knocks made up to now are refused", [&] {
        return control_.ask({{"verb", "takeover"}}, [](const json& r) {
            return "knocks made before " + r.value("refused_until", "") + " are refused\n";
        });
    }));
}

void CommandLine::add_configuration() {
    add_json(add("reload", "read the configuration again; a bad one changes nothing", [&] {
        return control_.ask({{"verb", "reload"}}, [](const json& r) {
            std::string out;
            for (const json& warning : r.at("warnings"))
                out += "warning: " + as_line(warning.get<std::string>()) + "\n";
            return out + show_disabled(r) + "reloaded " + r.value("reloaded", "") + "\n";
        });
    }));
    CLI::App* sub = add("check", "read a configuration and say every fault of it",
                        [&] { return host_.check(file_, control_.as_json); });
    sub->add_option("file", file_, "configuration file")->capture_default_str();
    add_json(sub);
    sub = add("doctor", "look at this host and say what is wrong", [&]() -> int {
        if (::geteuid() != 0)
            return fail(Error{"the doctor looks at what only root sees", "sudo knockctl doctor"});
        return host_.examine(file_, control_);
    });
    add_config(sub);
    add_json(sub);
}

void CommandLine::add_trial() {
    CLI::App* const sub = add("try", "the gate on trial: taken away after this time, unless \"confirm\" comes before",
                              [&] { return host_.put_on_trial(control_, file_, time_); });
    sub->add_option("time", time_, "how long: 5m")->required();
    add_config(sub, "configuration of a daemon that does not run yet");
    add_json(sub);
    add_json(add("confirm", "end the trial: the gate stays", [&] {
        return control_.ask({{"verb", "confirm"}},
                            [](const json&) { return std::string("confirmed: the gate stays\n"); });
    }));
}

void CommandLine::add_identity() {
    CLI::App* const identity =
        app_.add_subcommand("identity", "whose the server's identity is, where a copy of it was found");
    identity->require_subcommand(1);
    for (CLI::App* const sub :
         {add_to(*identity, "keep", "this machine may carry the identity that is here",
                 [&] { return host_.keep_identity(file_, control_.as_json); }),
          add_to(*identity, "new", "this machine gets an identity of its own; profiles must follow",
                 [&] { return host_.make_new_identity(file_, control_.as_json); })}) {
        add_config(sub);
        add_json(sub);
    }
}

void CommandLine::add_takeover() {
    CLI::App* const sub = add_import(app_, import_);
    add_config(sub);
    add_json(sub);
    sub->callback([&] {
        run_ = [&] {
            import_.config_file = file_;
            import_.socket_is_given = app_.count("--socket") > 0;
            return host_.take_over(import_, control_);
        };
    });
}

CommandLine::CommandLine(const HostVerbs& host) : host_(host) {
    app_.require_subcommand(1);
    app_.fallthrough(); // of all verbs: --socket on either side of them
    app_.set_version_flag("--version", "knockctl " XK_VERSION);
    app_.add_option("--socket", control_.socket, "control socket of the daemon")->capture_default_str();
    add_views();
    add_bans();
    add_grants();
    add_panic();
    add_clock();
    add_configuration();
    add_trial();
    add_identity();
    users_.add_to(app_);
    CLI::App* const setup = add_setup(app_, setup_);
    setup->callback([&] { run_ = [&] { return host_.set_up(setup_, control_); }; });
    add_json(setup);
    add_takeover();
}

int CommandLine::run(int argc, char** argv) {
    try {
        app_.parse(argc, argv);
    } catch (const CLI::ParseError& e) {
        return finish_usage(app_, "knockctl", e);
    }
    try {
        return run_();
    } catch (const json::exception&) { // a daemon of another release
        return fail(Error{"the reply of xknockd makes no sense to this knockctl", control_.hint_of_releases()});
    }
}

} // namespace

int run_command_line(int argc, char** argv, const HostVerbs& host) { return CommandLine(host).run(argc, argv); }

int describe_command_line(const std::function<int(const CLI::App&)>& use) {
    const HostVerbs none{}; // nobody runs a verb
    return use(CommandLine(none).app());
}

} // namespace xk::tools
