// SPDX-License-Identifier: MIT
// fwknopd's access.conf. Its stanzas begin at SOURCE. What would give somebody more than fwknopd gave leaves the stanza
// out; what gives them less, or what is done in another way here, is a row of the report.
#include "tools/knockctl/host/import/lines.h"
#include "tools/knockctl/host/import/old_server.h"

#include "daemon/config/forms.h"
#include "protocol/base/duration.h"
#include "protocol/base/quote.h"

#include <algorithm>
#include <map>

namespace xk::tools::takeover {
namespace {

struct AccessValue {
    std::size_t line;
    std::string_view text;
};
using AccessStanza = std::map<std::string, AccessValue, std::less<>>;

struct AccessReason {
    std::string_view beginning;
    const char* why;
};
// By the beginning of a name; the first that fits counts.
constexpr AccessReason kAccessReasons[] = {
    {"ENABLE_CMD_EXEC", "a knock runs no command; a service's on_open hook runs one when a grant begins"},
    {"CMD_EXEC", "a knock runs no command; a service's on_open hook runs one when a grant begins"},
    {"REQUIRE_CMD", "a knock runs no command"},
    {"SUDO_", "a knock runs no command"},
    {"CMD_CYCLE", "the ruleset is xknock's own; hooks on_open and on_close of a service run beside it"},
    {"GPG_", "packets with GPG are refused: give this person a device of their own (knockctl user add)"},
    {"ENABLE_FORWARD", "a host behind this one is a service with a target: see Gateways in configuration.md"},
    {"FORWARD", "a host behind this one is a service with a target: see Gateways in configuration.md"},
    {"FORCE_NAT", "a host behind this one is a service with a target and a public port"},
    {"FORCE_SNAT", "packets to a target keep their source"},
    {"FORCE_MASQUERADE", "packets to a target keep their source"},
    {"DISABLE_DNAT", "only a service with a public port is translated"},
    {"ENABLE_OUTPUT", "only what comes in is gated"},
    {"RESTRICT_", "a service that is not in the user's services stays shut"},
    {"DESTINATION", "the user's services say what may be asked for, at any address of this host"},
    {"HMAC_KEY", "the stanza was not taken over"},
    {"KEY", "the stanza was not taken over"},
};

const char* access_reason(std::string_view key) {
    for (const auto& [beginning, why] : kAccessReasons)
        if (key.starts_with(beginning))
            return why;
    return nullptr;
}

// One stanza on its way to a device.
class AccessReader {
  public:
    AccessReader(OldServer& server, const AccessStanza& stanza, std::size_t number)
        : server_(server), stanza_(stanza), number_(number), line_(stanza.at("SOURCE").line) {}

    void read() {
        device_.line = line_;
        device_.title = "stanza " + std::to_string(number_);
        device_.device.kind = authz::DeviceKind::fwknop;
        device_.device.device = "fwknop";
        device_.user.modes = {authz::KnockMode::packet, authz::KnockMode::fwknop};
        read_source_networks();
        read_ports();
        read_keys();
        read_times();
        read_who();
        report_others();
        if (!refusal_.empty()) {
            server_.leave_out_lines(line_);
            server_.add(line_, device_.title, Fate::not_taken, refusal_);
            return;
        }
        server_.devices.push_back(std::move(device_));
    }

  private:
    const AccessValue* find(std::string_view key) {
        known_.push_back(key);
        const auto found = stanza_.find(key);
        return found == stanza_.end() ? nullptr : &found->second;
    }
    void refuse(std::string why) {
        if (refusal_.empty())
            refusal_ = std::move(why);
    }
    void taken(const AccessValue& value, std::string_view key, std::string as) {
        server_.add(value.line, std::string(key) + " " + printable(value.text, 60), Fate::taken, std::move(as));
    }

    void read_source_networks() {
        const AccessValue& source = *find("SOURCE");
        for (const std::string_view word : split(source.text, ", \t")) {
            if (lower_case(word) == "any")
                continue;
            const auto slash = word.find('/');
            const auto address = Address::parse(word.substr(0, slash));
            const auto bits = slash == word.npos ? std::nullopt : number_of(word.substr(slash + 1));
            if (!address || (slash != word.npos && (!bits || *bits > (address->is_v4() ? 32U : 128U))))
                return refuse("SOURCE " + in_quotes(word, 60) +
                              " is no network here, and without it knocks were good from anywhere");
            // fwknopd ignores bits behind the length.
            const unsigned length = bits ? *bits + (address->is_v4() ? 96 : 0) : 128;
            device_.user.networks.push_back(Prefix::around(*address, length));
        }
        if (device_.user.networks.size() > authz::kMaxNetworks)
            return refuse("SOURCE has more than " + std::to_string(authz::kMaxNetworks) +
                          " networks, the most that a user can have: write fewer and larger ones");
        taken(source, "SOURCE", device_.user.networks.empty() ? "from anywhere" : "networks of the user");
    }

    static std::optional<std::vector<PortRange>> ports_of(std::string_view text) {
        std::vector<PortRange> ports;
        for (const std::string_view word : split(text, ", \t")) {
            const auto port = PortRange::parse(word);
            if (!port || port->protocol == IpProtocol::sctp)
                return std::nullopt;
            ports.push_back(*port);
        }
        return ports;
    }
    void read_ports() {
        const AccessValue* const open = find("OPEN_PORTS");
        const AccessValue* const restricted = find("RESTRICT_PORTS");
        const auto ports = open ? ports_of(open->text) : std::vector<PortRange>();
        const auto except = restricted ? ports_of(restricted->text) : std::vector<PortRange>();
        if (!ports || (open && ports->empty()))
            return refuse("OPEN_PORTS " + in_quotes(open->text, 60) + " is no list of ports");
        if (!except)
            return refuse("RESTRICT_PORTS " + in_quotes(restricted->text, 60) + " is no list of ports");
        device_.ports = *ports;
        device_.except = *except;
        std::erase_if(device_.ports, [&](const PortRange& port) {
            return std::ranges::any_of(*except, [&](const PortRange& no) { return no.meets(port); });
        });
        if (open && device_.ports.empty())
            return refuse("RESTRICT_PORTS leaves none of OPEN_PORTS");
        if (open)
            taken(*open, "OPEN_PORTS",
                  ports->size() > 1 ? "services of the user; a packet that asks for ports of several services is "
                                      "refused: put such ports into one service"
                                    : "a service of the user");
        if (restricted)
            taken(*restricted, "RESTRICT_PORTS", "services with these ports are not the user's");
    }

    // The line of our .key; false where the key is none.
    bool read_key(std::string_view name, std::size_t most) {
        const std::string base64 = std::string(name) + "_BASE64";
        const AccessValue* const plain = find(name);
        const AccessValue* const encoded = find(base64);
        if (plain && encoded) {
            refuse("it has both " + std::string(name) + " and " + base64);
            return false;
        }
        const AccessValue* const key = encoded ? encoded : plain;
        if (!key)
            return false;
        if (key->text.find("__CHANGEME__") != key->text.npos) {
            refuse(std::string(name) + " is the example's, __CHANGEME__");
            return false;
        }
        if (!encoded && key->text.size() > most) {
            refuse(std::string(name) + " is longer than " + std::to_string(most) + " bytes");
            return false;
        }
        device_.key += encoded ? std::string_view(base64) : name;
        device_.key += " ";
        device_.key += key->text;
        device_.key += "\n";
        server_.add(key->line, encoded ? base64 : std::string(name), Fate::taken, "the device's key");
        return true;
    }
    void read_keys() {
        const bool has_key = read_key("KEY", 32), has_hmac = read_key("HMAC_KEY", 128);
        if (!has_key)
            refuse("it has no KEY: packets that GPG encrypts are refused; give this person a device of their own "
                   "(knockctl user add)");
        if (!has_hmac)
            refuse("it has no HMAC_KEY, and packets without HMAC are refused: whoever records one could work on it. "
                   "Make one with \"fwknop --key-gen --use-hmac\", or add a device (knockctl user add)");
        if (const AccessValue* const mode = find("ENCRYPTION_MODE"); mode && lower_case(mode->text) != "cbc")
            refuse("ENCRYPTION_MODE " + in_quotes(mode->text, 20) + ": only CBC is understood");
        else if (mode)
            taken(*mode, "ENCRYPTION_MODE", "the only one here");
        const AccessValue* const hash = find("HMAC_DIGEST_TYPE");
        if (!hash)
            return;
        const auto kind = std::ranges::find(authz::kHmacKindNames, lower_case(hash->text));
        if (kind == authz::kHmacKindNames.end())
            return refuse("HMAC_DIGEST_TYPE " + in_quotes(hash->text, 20) +
                          " is not one of MD5, SHA1, SHA256, SHA384, SHA512");
        device_.device.hmac = static_cast<authz::HmacKind>(kind - authz::kHmacKindNames.begin());
        taken(*hash, "HMAC_DIGEST_TYPE", "hmac of the device");
    }

    std::optional<std::chrono::seconds> seconds(std::string_view key) {
        const AccessValue* const value = find(key);
        if (!value)
            return std::nullopt;
        const auto number = number_of(value->text);
        if (!number || *number == 0) {
            server_.add(value->line, std::string(key) + " " + printable(value->text, 20), Fate::not_understood,
                        "a number of seconds from 1 on is expected; the service's own time counts");
            return std::nullopt;
        }
        taken(*value, key,
              std::string(key == "MAX_FW_TIMEOUT" ? "max_lifetime " : "lifetime ") +
                  duration_text(std::chrono::seconds(*number)));
        return std::chrono::seconds(*number);
    }
    void read_times() {
        const auto lifetime = seconds("FW_ACCESS_TIMEOUT"), most = seconds("MAX_FW_TIMEOUT");
        device_.user.lifetime = lifetime.value_or(std::chrono::seconds(0));
        if (most || lifetime)
            device_.user.max_lifetime = std::max(most.value_or(std::chrono::seconds(300)), device_.user.lifetime);
        const AccessValue* const date = find("ACCESS_EXPIRE");
        const AccessValue* const epoch = find("ACCESS_EXPIRE_EPOCH");
        if (epoch) {
            const auto number = number_of(epoch->text.size() == 10 ? epoch->text.substr(0, 9) : epoch->text);
            if (!number)
                return refuse("ACCESS_EXPIRE_EPOCH " + in_quotes(epoch->text, 20) + " is no number of seconds");
            const std::int64_t whole =
                epoch->text.size() == 10 ? std::int64_t{*number} * 10 + (epoch->text.back() - '0') : *number;
            device_.user.valid_until = WallTime(std::chrono::seconds(whole));
            taken(*epoch, "ACCESS_EXPIRE_EPOCH", "valid_until of the user");
        } else if (date) {
            const auto parts = split(date->text, "/");
            const auto two = [](std::string_view part) { return (part.size() == 1 ? "0" : "") + std::string(part); };
            const auto day = parts.size() == 3
                                 ? config::parse_date(std::string(parts[2]) + "-" + two(parts[0]) + "-" + two(parts[1]))
                                 : Result<WallTime>(Error{"no date", {}});
            if (!day)
                return refuse("ACCESS_EXPIRE " + in_quotes(date->text, 20) + " is no date of the form MM/DD/YYYY");
            device_.user.valid_until = *day;
            taken(*date, "ACCESS_EXPIRE", "valid_until of the user, from the beginning of the day in UTC");
        }
    }

    void read_who() {
        if (const AccessValue* const name = find("REQUIRE_USERNAME")) {
            device_.wanted_name = std::string(name->text);
            server_.add(name->line, "REQUIRE_USERNAME " + printable(name->text, 40), Fate::taken,
                        "the user's name; the keys alone prove who knocks, and the name in the packet is not compared");
        }
        const AccessValue* const source = find("REQUIRE_SOURCE_ADDRESS");
        const AccessValue* const older = find("REQUIRE_SOURCE");
        const AccessValue* const value = source ? source : older;
        if (!value)
            return;
        const std::string word = lower_case(value->text);
        if (word != "y" && word != "n")
            return refuse("REQUIRE_SOURCE_ADDRESS " + in_quotes(value->text, 20) + " is neither Y nor N");
        if (word == "y")
            device_.user.binding = authz::Binding::match;
        taken(*value, "REQUIRE_SOURCE_ADDRESS",
              word == "y" ? "binding: match, which also wants the packet to come from the address that it names"
                          : "binding: any; for an address that is not the packet's own (-a) a user needs binding: "
                            "explicit");
    }

    void report_others() {
        for (const auto& [key, value] : stanza_) {
            if (std::ranges::find(known_, key) != known_.end())
                continue;
            const char* const why = access_reason(key);
            server_.add(value.line, printable(key, 40), why ? Fate::no_equivalent : Fate::not_understood,
                        why ? why : "it is no variable of access.conf that is known here");
        }
    }

    OldServer& server_;
    const AccessStanza& stanza_;
    std::size_t number_, line_;
    OldDevice device_;
    std::string refusal_;
    std::vector<std::string_view> known_;
};

// "KEY   value", "KEY: value;". The value ends at a semicolon.
std::pair<std::string, std::string_view> split_access_line(std::string_view line) {
    const auto end = std::min(line.find_first_of(" \t"), line.size());
    std::string_view key = line.substr(0, end);
    if (key.ends_with(':'))
        key.remove_suffix(1);
    const std::string_view rest = trimmed(line.substr(end));
    return {std::string(key), trimmed(rest.substr(0, rest.find(';')))};
}

struct AccessStanzas {
    std::vector<AccessStanza> all;
    std::vector<std::pair<std::size_t, std::string>> doubled; // index, key
};

AccessStanzas read_stanzas(std::string_view text, OldServer& server) {
    AccessStanzas stanzas;
    for (const TextLine& line : lines_of(text)) {
        if (line.text.empty() || line.text.front() == '#' || line.text.front() == ';')
            continue;
        if (line.text.size() > kMostLine) {
            server.add(line.number, "a line", Fate::not_understood, "it is too long");
            continue;
        }
        const auto [key, value] = split_access_line(line.text);
        if (key.starts_with("%include")) {
            server.add(line.number, key + " " + printable(value, 80), Fate::not_taken,
                       "other files are not followed: import each of them by itself");
        } else if (key != "SOURCE" && stanzas.all.empty()) {
            server.add(line.number, printable(key, 40), Fate::not_understood,
                       "it stands before the first SOURCE, where a stanza begins");
        } else if (value.empty()) {
            server.add(line.number, printable(key, 40), Fate::not_understood, "it has no value");
        } else {
            if (key == "SOURCE")
                stanzas.all.emplace_back();
            if (!stanzas.all.back().emplace(key, AccessValue{line.number, value}).second)
                stanzas.doubled.emplace_back(stanzas.all.size() - 1, key);
        }
    }
    return stanzas;
}

} // namespace

Result<OldServer> read_access_conf(std::string_view text, const std::string& file) {
    OldServer server;
    const AccessStanzas stanzas = read_stanzas(text, server);
    if (stanzas.all.empty())
        return not_of_kind(file, "fwknopd", "no line begins with SOURCE",
                           "name its access.conf, usually /etc/fwknop/access.conf");
    for (std::size_t i = 0; i < stanzas.all.size(); ++i) {
        const auto twice = std::ranges::find(stanzas.doubled, i, &std::pair<std::size_t, std::string>::first);
        if (twice == stanzas.doubled.end())
            AccessReader(server, stanzas.all[i], i + 1).read();
        else
            server.add(stanzas.all[i].at("SOURCE").line, "stanza " + std::to_string(i + 1), Fate::not_taken,
                       "it has " + printable(twice->second, 40) + " twice: leave one of them");
    }
    server.fwknop_port = 62201; // access.conf does not say it
    server.next.emplace_back("fwknop's users keep their client and ~/.fwknoprc; \"knock-client import fwknop\" takes "
                             "over the rest of it when they change");
    return server;
}

} // namespace xk::tools::takeover
