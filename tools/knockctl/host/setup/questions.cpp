// SPDX-License-Identifier: MIT
#include "tools/knockctl/host/setup/questions.h"

#include "protocol/base/quote.h"
#include "tools/knockctl/host/setup/words.h"

#include <algorithm>

namespace xk::tools::setup {
namespace {

constexpr const char* kUsualDevice = "laptop";

// One answer: from the options if they have it, else by asking, else with --yes the default.
template <typename T>
Result<void> settle(Console& console, const SetupOptions& options, const std::string& given, bool is_given,
                    const std::string& question, const std::string& standard, T& into,
                    const std::function<Result<T>(const std::string&)>& parse) {
    auto value = is_given ? parse(given)
                 : options.yes
                     ? standard.empty()
                           ? Result<T>(Error{question + ": nobody is asked, and there is no default",
                                             "\"knockctl setup --help\" lists the options that answer it", Exit::usage})
                           : parse(standard)
                     : ask_until<T>(console, question, standard, parse);
    if (!value)
        return value.error();
    into = *std::move(value);
    return {};
}

Result<void> settle_interfaces(Console& console, const SetupOptions& options, const Surroundings& around,
                               Answers& answers) {
    const auto found = interfaces_for_knocks(around);
    const auto parse = [&](const std::string& text) { return parse_interfaces(words_of(text), around); };
    // A host with one interface needs no question.
    if (options.interfaces.empty() && found.size() == 1) {
        answers.interfaces = found;
        return {};
    }
    return settle<std::vector<std::string>>(console, options, join(options.interfaces, " "),
                                            !options.interfaces.empty(), "Interfaces by which clients come",
                                            join(found, " "), answers.interfaces, parse);
}

Result<void> settle_hidden(Console& console, const SetupOptions& options, const Surroundings& around,
                           Answers& answers) {
    std::vector<std::string> ports;
    for (const PortRange& port : ssh_ports(around))
        ports.push_back(port.text());
    return settle<std::vector<Hidden>>(console, options, join(options.hide, " "), !options.hide.empty(),
                                       "Hide these ports", join(ports, " "), answers.hidden,
                                       [&](const std::string& text) -> Result<std::vector<Hidden>> {
                                           auto hidden = parse_hidden(port_words_of(text), around);
                                           if (!hidden)
                                               return hidden;
                                           Answers all = answers;
                                           all.hidden = *hidden;
                                           const auto together = check_together(all);
                                           return together ? hidden : together.error();
                                       });
}

Result<void> settle_allow(Console& console, const SetupOptions& options, const Surroundings& around, Answers& answers) {
    if (options.allow.empty() && !options.yes && around.caller)
        console.say("  (Your own address is " + around.caller->text() + "; \"mine\" names it.)");
    return settle<std::vector<Prefix>>(console, options, join(options.allow, " "), !options.allow.empty(),
                                       "Who may come without a knock", "nobody", answers.allow,
                                       [&](const std::string& text) { return parse_allow(words_of(text), around); });
}

Result<void> settle_login(Console& console, const SetupOptions& options, const Surroundings& around,
                          const HostFacts& facts, Answers& answers) {
    const auto parse = [&](const std::string& text) -> Result<std::string> {
        const auto fine = facts.is_login(text);
        return fine ? Result<std::string>(text) : fine.error();
    };
    if (options.login.empty() && facts.is_login(answers.user)) {
        answers.login = answers.user;
        return {};
    }
    const std::string standard = facts.is_login(around.login) ? around.login : "";
    return settle<std::string>(console, options, options.login, !options.login.empty(),
                               "Account by which " + answers.user + " comes by ssh", standard, answers.login, parse);
}

// A name may get its address later, so a second look at it is enough.
Result<void> settle_hosts(Console& console, const SetupOptions& options, const Surroundings& around,
                          const HostFacts& facts, Answers& answers) {
    std::string doubted;
    return settle<std::vector<std::string>>(
        console, options, join(options.hosts, " "), !options.hosts.empty(),
        "Clients reach this host as (behind NAT: the public address)", join(probable_hosts(around), " "), answers.hosts,
        [&](const std::string& text) -> Result<std::vector<std::string>> {
            auto hosts = parse_hosts(words_of(text));
            const std::string unknown = hosts ? unknown_host(*hosts, facts) : "";
            if (unknown.empty() || unknown == doubted)
                return hosts;
            if (options.yes || !options.hosts.empty()) {
                console.say("  " + in_quotes(unknown) + " leads to no address here; it is taken all the same");
                return hosts;
            }
            doubted = unknown;
            return Error{in_quotes(unknown) + " leads to no address here", "type it again if it is right all the same",
                         Exit::usage};
        });
}

} // namespace

Result<void> ask_configuration(Console& console, const SetupOptions& options, const Surroundings& around,
                               Answers& answers) {
    if (!options.port.empty()) {
        const auto port = parse_knock_port(options.port);
        if (!port)
            return port.error();
        answers.port = *port;
    }
    for (const auto step : {settle_interfaces, settle_hidden, settle_allow})
        if (auto done = step(console, options, around, answers); !done)
            return done;
    return {};
}

Result<void> ask_device(Console& console, const SetupOptions& options, const Surroundings& around,
                        const HostFacts& facts, const KnownDevice& known, Answers& answers) {
    const auto name = [](const char* what) {
        return [what](const std::string& text) { return parse_name(text, what); };
    };
    const std::string person = is_name(around.person) ? around.person : "admin";
    if (auto done = settle<std::string>(console, options, options.user, !options.user.empty(), "Who knocks first",
                                        known.user.empty() ? person : known.user, answers.user, name("user"));
        !done)
        return done;
    if (auto done =
            settle<std::string>(console, options, options.device, !options.device.empty(), "Their device",
                                known.device.empty() ? kUsualDevice : known.device, answers.device, name("device"));
        !done)
        return done;
    // A device that is there keeps its factor.
    if (answers.user != known.user || answers.device != known.device)
        if (auto done =
                settle<FactorKind>(console, options, options.factor, !options.factor.empty(),
                                   "Second factor (totp, hotp, hmac, none)", "totp", answers.factor, parse_factor);
            !done)
            return done;
    if (options.only == "code") { // of the host it needs a label
        answers.hosts = options.hosts.empty() ? probable_hosts(around) : options.hosts;
        answers.hosts.resize(std::max<std::size_t>(answers.hosts.size(), 1));
        return {};
    }
    if (auto done = settle_login(console, options, around, facts, answers); !done)
        return done;
    return settle_hosts(console, options, around, facts, answers);
}

} // namespace xk::tools::setup
