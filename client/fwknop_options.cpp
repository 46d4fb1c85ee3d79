// SPDX-License-Identifier: MIT
#include "client/fwknop_options.h"

#include "protocol/base/quote.h"

#include <ifaddrs.h>

#include <algorithm>

namespace xk::client {
namespace {

struct Foreign {
    const char* option;
    bool has_value;
    const char* why; // it has no equivalent
};
constexpr const char* kOneEncoding = "knocks have one form, always encrypted and authenticated";
constexpr const char* kKeyInProfile = "the keys are in the profile";
constexpr const char* kOwnWay = "the server's ports are fixed; \"knock-client sequence\" knocks at changing ones";
constexpr Foreign kForeign[] = {
    {"-R,--resolve-ip-https", false,
     "nobody is asked over the web: leave it out, and the server takes the address that the knock comes from; \"stun\" "
     "in the profile names a STUN server"},
    {"-s,--source-ip", false,
     "leave it out: behind NAT the server takes the address that the knock comes from; \"nat: always\" in the profile "
     "makes it do so everywhere"},
    {"-N,--nat-access", true, "name the host behind the server: open HOST tcp/22@ADDRESS"},
    {"-C,--server-cmd", true, "a knock runs no command; a service of the server may have a hook"},
    {"-p,--server-port", true, "\"knock_port\" in the profile is the server's port"},
    {"-P,--server-proto", true, "a knock is one UDP packet; \"knock-client sequence --tcp\" is another way"},
    {"-S,--source-port", true, "the system chooses the port"},
    {"-r,--rand-port", false, kOwnWay},
    {"-Q,--spoof-src", true, "a knock has its own source; \"--for ADDRESS\" opens for another one"},
    {"-U,--spoof-user", true, "the credential names the user; \"--profile NAME\" chooses another one"},
    {"-m,--digest-type", true, kOneEncoding},
    {"-M,--encryption-mode", true, kOneEncoding},
    {"--use-hmac", false, kOneEncoding},
    {"-g,--gpg-encryption", false, kOneEncoding},
    {"-G,--get-key", true, kKeyInProfile},
    {"--key-gen", false, "the operator makes keys: knockctl user add"},
    {"-l,--last-cmd", false, "nothing is remembered; the profile has \"service\" and \"lifetime\""},
    {"-T,--test", false, "\"knock-client test HOST\" sends a knock that opens nothing"},
};

bool is_own_address(const Address& address) {
    ifaddrs* list = nullptr;
    if (::getifaddrs(&list) != 0)
        return false;
    bool found = false;
    for (const ifaddrs* i = list; i != nullptr && !found; i = i->ifa_next)
        found = i->ifa_addr != nullptr && Address::of(*i->ifa_addr) == address;
    ::freeifaddrs(list);
    return found;
}

Error twice(const std::string& option, const std::string& what) {
    return {what + " is named twice, once by " + option, "name it once", Exit::usage};
}

Result<void> move_into(std::string& ours, const std::string& theirs, const char* option, const char* what) {
    if (theirs.empty())
        return {};
    if (!ours.empty())
        return twice(option, what);
    ours = theirs;
    return {};
}

// fwknop's -a is the address to open for. One of our own needs no right: the knock comes from there.
Result<void> move_allowed(Arguments& a) {
    if (a.fwknop.allow.empty() || a.fwknop.allow == "0.0.0.0") // the address that the knock comes from
        return {};
    auto address = Address::parse(a.fwknop.allow);
    if (!address)
        return Error{address.error().message, address.error().hint, Exit::usage};
    return move_into(is_own_address(*address) ? a.source : a.for_address, address->text(), "-a", "an address");
}

Result<void> move_service(Arguments& a) {
    if (a.fwknop.access.find(',') != std::string::npos)
        return Error{"-A " + in_quotes(a.fwknop.access) + ": one knock opens one service",
                     "run it once for each port, or name a service of the server that has all of them", Exit::usage};
    return move_into(a.service, a.fwknop.access, "-A", "the service");
}

bool is_count(const std::string& text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

Result<void> move_timeout(Arguments& a) {
    const std::string& timeout = a.fwknop.timeout;
    if (timeout == "0") // as fwknop has it: the server's default
        return {};
    return move_into(a.lifetime, is_count(timeout) ? timeout + "s" : timeout, "-f", "the lifetime");
}

} // namespace

void add_fwknop_options(CLI::App& verb, Arguments& a) {
    FwknopArguments& f = a.fwknop;
    constexpr const char* kGroup = "As fwknop has them";
    verb.add_option("-A,--access", f.access, "the service: tcp/22")->group(kGroup);
    verb.add_option("-a,--allow-ip", f.allow, "--for; --source where it is an address of this machine")->group(kGroup);
    verb.add_option("-D,--destination", f.destination, "the host")->group(kGroup);
    verb.add_option("-n,--named-config", f.profile, "--profile; the host is the profile's own where none is named")
        ->group(kGroup);
    verb.add_option("-f,--fw-timeout", f.timeout, "--lifetime, in seconds")->group(kGroup);
    for (const Foreign& foreign : kForeign) {
        const auto refuse = [&f, &foreign] {
            const std::string option = std::string(foreign.option).substr(0, std::string(foreign.option).find(','));
            f.refused = Error{"fwknop's " + option + " has no equivalent", foreign.why, Exit::usage};
        };
        // Not in the help: they do nothing.
        if (foreign.has_value)
            verb.add_option_function<std::string>(foreign.option, [refuse](const std::string&) { refuse(); })
                ->group("");
        else
            verb.add_flag_callback(foreign.option, refuse)->group("");
    }
}

Result<Arguments> in_own_words(const Arguments& given) {
    if (given.fwknop.refused)
        return *given.fwknop.refused;
    Arguments a = given;
    for (const auto& done : {move_into(a.host, a.fwknop.destination, "-D", "the host"),
                             move_into(a.profile, a.fwknop.profile, "-n", "the profile"), move_service(a),
                             move_allowed(a), move_timeout(a)})
        if (!done)
            return done.error();
    if (a.host.empty() && a.profile.empty())
        return Error{"which host?", "knock-client open HOST [SERVICE]", Exit::usage};
    return a;
}

} // namespace xk::client
