// SPDX-License-Identifier: MIT
#include "client/enroll.h"

#include "client/bundle_source.h"
#include "client/clock_check.h"
#include "client/enroll_link.h"
#include "client/person.h"
#include "client/profile_store.h"
#include "client/ssh_config.h"
#include "client/ssh_route.h"
#include "client/verbs.h"
#include "protocol/base/address.h"
#include "protocol/base/quote.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace xk::client {
namespace {

using std::chrono::seconds;

constexpr seconds kUsualSkew{30}; // that a server allows (docs/protocol.md, "Slots")

Error usage_fault(std::string message, std::string hint) { return {std::move(message), std::move(hint), Exit::usage}; }

void say(const std::string& text) { std::fprintf(stderr, "knock-client: %s\n", as_line(text).c_str()); }
void say_next(const std::string& text) { std::fprintf(stderr, "  next: %s\n", as_line(text).c_str()); }

bool is_from_server(const EnrollArguments& e) { return !e.from.empty() && e.from != "-"; }

std::string host_part(const std::string& from) { return from.substr(from.rfind('@') + 1); }

Result<void> check_server(const EnrollArguments& e) {
    const std::string host = host_part(e.from);
    const std::string login = e.from.substr(0, e.from.size() - host.size());
    if (!is_plain_host(host) || (host.find(':') != host.npos && !Address::parse(host)))
        return usage_fault(in_quotes(host) + " is not a host that can be enrolled with",
                           "write it as after ssh: [LOGIN@]HOST; \"-p PORT\" is an option of its own");
    if (login.starts_with('-') || login == "@" || printable(login) != login || login.find(' ') != login.npos)
        return usage_fault(in_quotes(login) + " is not a login", "write [LOGIN@]HOST");
    if (e.passphrase_fd >= 0)
        return usage_fault("--passphrase-fd is for a bundle, and a server gives none", {});
    return {};
}

Result<void> check_enroll(const EnrollArguments& e) {
    const int sources = (e.from.empty() ? 0 : 1) + (e.file.empty() ? 0 : 1) + (e.image.empty() ? 0 : 1);
    if (sources == 0)
        return usage_fault("where from?", "\"knock-client enroll [LOGIN@]HOST\" fetches a profile by ssh; "
                                          "\"enroll -\", \"--file FILE\" and \"--qr IMAGE\" take a bundle");
    if (sources > 1)
        return usage_fault("a profile comes from one place: a server, -, --file or --qr", "name one of them");
    if (!e.name.empty() && !is_profile_name(e.name))
        return usage_fault(in_quotes(e.name) + " is no name for a profile",
                           "letters, digits, \".\", \"-\", \"_\" and \":\", and not \"config\"");
    if (is_from_server(e))
        return check_server(e);
    if (!e.ssh_options.empty() || !e.device.empty())
        return usage_fault(std::string(e.device.empty() ? "options of ssh are" : "--device is") +
                               " for a server, and a bundle has none",
                           {});
    if (e.from == "-" && e.passphrase_fd == 0)
        return usage_fault("standard input has the bundle, and not the passphrase too", "--passphrase-fd 3 3<FILE");
    return {};
}

// Which one, where several wait.
Result<std::string> choose_device(const std::vector<std::string>& devices, const EnrollArguments& e,
                                  const Person& person) {
    std::string list;
    for (const std::string& device : devices)
        list += (list.empty() ? "" : ", ") + device;
    const auto waits = [&](const std::string& device) { return std::ranges::find(devices, device) != devices.end(); };
    if (devices.empty())
        return Error{"no profile waits for this login at " + in_quotes(e.from),
                     "on the server, as root: knockctl user add NAME --login LOGIN"};
    if (!e.device.empty())
        return waits(e.device)
                   ? Result(e.device)
                   : Error{"no profile of device " + in_quotes(e.device) + " waits there", "there is " + list};
    if (devices.size() == 1)
        return devices[0];
    const Error which{"profiles of several devices wait there: " + list, "say which: --device " + devices[0]};
    if (!person.is_there())
        return which;
    say(which.message);
    for (int tries = 0; tries < 3; ++tries) {
        auto answer = person.ask_line("Which one is this machine? ");
        if (!answer || waits(*answer))
            return answer;
    }
    return which;
}

void say_clock(const ClockDifference& ahead, const Profile& profile) {
    if (ahead.may_be_equal())
        return say("this machine's clock agrees with the server's");
    const auto likely = std::chrono::round<seconds>((ahead.least + ahead.most) / 2);
    say("this machine's clock is " + span_text(likely.count()) + (likely > seconds(0) ? " behind" : " ahead of") +
        " the server's");
    if (std::chrono::abs(likely) < kUsualSkew || profile.by_handshake())
        return;
    say("warning: with that difference the server refuses each knock");
    std::fprintf(stderr, "  hint: %s\n", clock_remedy().c_str());
}

std::string directory_of(const Arguments& a, Error& error) {
    if (!a.profiles.empty())
        return a.profiles;
    auto own = profile_directory();
    if (!own)
        error = own.error();
    return own ? *own : "";
}

Result<StoredProfile> store(const Arguments& a, std::string_view text, const std::string& name) {
    Error error;
    const std::string directory = directory_of(a, error);
    if (directory.empty())
        return error;
    auto stored = store_profile(text, {.directory = directory, .name = name, .force = a.enroll.force});
    if (!stored)
        return stored;
    say("the profile " + std::string(stored->was_there ? "was here already: " : "is here: ") + in_quotes(stored->file));
    if (!stored->rival.empty())
        say(in_quotes(stored->rival) + " is for the same host: \"--profile NAME\" says which one is meant");
    return stored;
}

Result<StoredProfile> enroll_from_server(const Arguments& a, const Person& person) {
    const EnrollArguments& e = a.enroll;
    auto link = EnrollLink::start({.destination = e.from, .options = e.ssh_options});
    if (!link)
        return link.error();
    auto devices = link->list_devices();
    if (!devices)
        return devices.error();
    auto device = choose_device(*devices, e, person);
    if (!device)
        return device.error();
    auto fetched = link->fetch(*device);
    if (!fetched)
        return fetched.error();
    auto stored = store(a, {fetched->text.data(), fetched->text.size()}, e.name.empty() ? host_part(e.from) : e.name);
    if (!stored)
        return std::move(stored.error()).within("the server keeps the profile");
    const auto removed = link->remove_there(*device);
    if (!removed || !*removed)
        say("warning: the server may still have its copy, in /var/spool/xknock: remove it there");
    else
        say("the server's copy is removed");
    say_clock(fetched->server_ahead, stored->profile);
    return stored;
}

// What the file is called where nobody says it.
Result<std::string> name_for(const EnrollArguments& e, const Profile& profile) {
    if (!e.name.empty())
        return e.name;
    if (is_profile_name(profile.name))
        return profile.name;
    for (const std::string& host : profile.hosts)
        if (is_profile_name(host))
            return host;
    return usage_fault("this profile names neither itself nor a host", "give it a name: --as NAME");
}

Result<StoredProfile> enroll_from_text(const Arguments& a, const Person& person) {
    const EnrollArguments& e = a.enroll;
    auto received = receive_profile(e, person);
    if (!received)
        return received.error();
    const std::string_view text(received->text.data(), received->text.size());
    auto profile = parse_profile(text, received->was_bundle ? "the bundle"
                                       : e.file.empty()     ? "standard input"
                                                            : e.file);
    if (!profile)
        return profile.error();
    const auto nameless = parse_profile(text, ""); // a profile's name may be that of its file, and this has none
    auto name = name_for(e, *nameless);
    if (!name)
        return name.error();
    auto stored = store(a, text, *name);
    if (stored && !e.file.empty())
        say("remove " + in_quotes(e.file) +
            (received->was_bundle ? ": it is not needed any more" : ": it has the key in it"));
    return stored;
}

// The name by which ssh gets to the host.
std::string ssh_name(const EnrollArguments& e, const Profile& profile) {
    if (is_from_server(e))
        return host_part(e.from);
    for (const std::string& host : profile.hosts)
        if (is_plain_host(host))
            return host;
    return {};
}

// Whether "ssh HOST" knocks from now on.
bool offer_ssh_config(const EnrollArguments& e, const Profile& profile, const Person& person) {
    const std::string host = ssh_name(e, profile);
    if (host.empty() || e.no_ssh_config)
        return false;
    const auto other = other_route(host, e.ssh_options);
    if (!other)
        return false;
    if (!other->empty()) {
        say("ssh gets to " + host + " by " + in_quotes(*other) +
            ", which lines of ours would replace; see ssh_config in docs/client.md");
        return false;
    }
    if (!e.yes) {
        if (!person.is_there()) {
            say("\"knock-client ssh-config " + host + " --install\" lets \"ssh " + host + "\" knock");
            return false;
        }
        const auto wanted = person.ask_yes("Shall \"ssh " + host + "\" knock from now on (two lines in ~/.ssh)?");
        if (!wanted || !*wanted)
            return false;
    }
    auto installed = install_host_block(host_block(host, profile));
    if (!installed)
        return fail(installed.error()) == 0;
    say("\"ssh " + host + "\" knocks from now on (" + *installed + ")");
    return true;
}

int test_profile(const Arguments& a, const StoredProfile& stored) {
    Arguments test = a;
    test.profile = stored.file;
    test.host = stored.profile.name;
    if (is_from_server(a.enroll) && !stored.profile.is_for(host_part(a.enroll.from)))
        test.host = host_part(a.enroll.from);
    return run_test(test);
}

} // namespace

int run_enroll(const Arguments& a) {
    const EnrollArguments& e = a.enroll;
    if (auto usable = check_enroll(e); !usable)
        return fail(usable.error());
    const Person person;
    auto stored = is_from_server(e) ? enroll_from_server(a, person) : enroll_from_text(a, person);
    if (!stored)
        return fail(stored.error());
    const Profile& profile = stored->profile;
    if (!profile.is_automatic())
        say("each knock asks for a code: scan the QR code of the operator with an authenticator on another device");
    const bool ssh_knocks = offer_ssh_config(e, profile, person);
    if (e.test)
        return test_profile(a, *stored);
    const std::string stem = std::filesystem::path(stored->file).stem().string();
    say_next(ssh_knocks ? "ssh " + (is_from_server(e) ? e.from : ssh_name(e, profile))
                        : "knock-client open " + stem + (profile.service.empty() ? " SERVICE" : ""));
    return 0;
}

} // namespace xk::client
