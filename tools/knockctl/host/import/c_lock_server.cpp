// SPDX-License-Identifier: MIT
// c-lock's server has no file of its own: its settings are its command line, in a unit or a script, or variables of the
// file that such a unit names (EnvironmentFile).
#include "tools/knockctl/host/import/lines.h"
#include "tools/knockctl/host/import/old_server.h"

#include "protocol/base/quote.h"

#include <algorithm>
#include <map>

namespace xk::tools::takeover {
namespace {

constexpr const char* kClockKind = "c-lock's server";

std::string_view without_quotes(std::string_view word) {
    if (word.size() >= 2 && (word.front() == '"' || word.front() == '\'') && word.back() == word.front())
        return word.substr(1, word.size() - 2);
    return word;
}

// Words of a command line; quotes keep blanks together.
std::vector<std::string_view> words_of(std::string_view line) {
    std::vector<std::string_view> words;
    for (std::size_t at = line.find_first_not_of(" \t"); at < line.size(); at = line.find_first_not_of(" \t", at)) {
        const bool is_quoted = line[at] == '"' || line[at] == '\'';
        auto end = is_quoted ? line.find(line[at], at + 1) : line.find_first_of(" \t", at);
        end = std::min(end == line.npos ? line.size() : end + (is_quoted ? 1U : 0U), line.size());
        words.push_back(without_quotes(line.substr(at, end - at)));
        at = end;
    }
    return words;
}

class ClockReader {
  public:
    explicit ClockReader(OldServer& server) : server_(server) {
        device_.title = "the secret";
        device_.device.device = "c-lock";
        device_.device.factor = FactorKind::totp;
        device_.device.digits = 6;
        device_.user.modes = {authz::KnockMode::packet, authz::KnockMode::c_lock};
    }

    void read(std::string_view text) {
        const auto lines = lines_of(text);
        for (const TextLine& line : lines)
            note_variable(line);
        for (const TextLine& line : lines)
            read_line(line);
    }
    const std::string& refusal() const { return refusal_; }
    std::size_t secrets() const { return secrets_; }
    OldDevice take() { return std::move(device_); }

  private:
    static bool is_comment(const TextLine& line) {
        return line.text.empty() || line.text.front() == '#' || line.text.front() == ';' || line.text.front() == '[';
    }
    // NAME=value, with "export" or "Environment=" before it.
    static std::optional<std::pair<std::string_view, std::string_view>> variable_of(std::string_view line) {
        for (const std::string_view before : {"export ", "Environment="})
            if (line.starts_with(before))
                line = without_quotes(trimmed(line.substr(before.size())));
        const auto equals = line.find('=');
        const auto name = trimmed(line.substr(0, equals));
        if (equals == line.npos || name.empty() || name.find_first_of(" \t") != name.npos)
            return std::nullopt;
        return std::pair(name, without_quotes(trimmed(line.substr(equals + 1))));
    }
    void note_variable(const TextLine& line) {
        if (const auto variable = is_comment(line) ? std::nullopt : variable_of(line.text))
            variables_[std::string(variable->first)] = variable->second;
    }
    // $NAME and ${NAME} of the same file.
    std::string_view value_of(std::string_view word) const {
        if (!word.starts_with('$'))
            return word;
        word.remove_prefix(1);
        if (word.starts_with('{') && word.ends_with('}'))
            word = word.substr(1, word.size() - 2);
        const auto found = variables_.find(std::string(word));
        return found == variables_.end() ? std::string_view() : found->second;
    }

    void read_line(const TextLine& line) {
        if (is_comment(line))
            return;
        if (line.text.size() > kMostLine)
            return server_.add(line.number, "a line", Fate::not_understood, "it is too long");
        const auto words = words_of(line.text);
        const bool is_command = std::ranges::any_of(words, [](std::string_view word) {
            return word == "-s" || word == "--secret" || word.starts_with("--secret=") || word == "--protected-ports" ||
                   word == "--opened-ports";
        });
        if (is_command)
            return read_command(line, words);
        if (const auto variable = variable_of(line.text))
            return read_variable(line, variable->first, variable->second);
        server_.add(line.number, "a line", Fate::not_understood, "it is no command line of c-lock");
    }
    void read_variable(const TextLine& line, std::string_view name, std::string_view value) {
        const std::string lower = lower_case(name);
        if (lower == "secret" || lower == "clock_secret")
            take_secret(line.number, value);
        else if (lower == "protected_ports" || lower == "opened_ports")
            for (const std::string_view port : split(value, ", \t"))
                take_port(line.number, port, lower == "protected_ports");
        else
            server_.add(line.number, printable(name, 40), Fate::not_understood, "it is no setting of c-lock's server");
    }
    void read_command(const TextLine& line, const std::vector<std::string_view>& words) {
        for (std::size_t i = 0; i < words.size(); ++i) {
            std::string_view option = words[i];
            if (!option.starts_with('-') || option == "-")
                continue; // the program
            std::string_view value;
            if (const auto equals = option.find('='); equals != option.npos) {
                value = option.substr(equals + 1);
                option = option.substr(0, equals);
            } else if (i + 1 < words.size() && !words[i + 1].starts_with('-')) {
                value = words[++i];
            }
            read_option(line.number, option, value_of(value));
        }
    }
    void read_option(std::size_t line, std::string_view option, std::string_view value) {
        if (option == "-s" || option == "--secret")
            return take_secret(line, value);
        if (option == "-p" || option == "--protected-ports")
            return take_port(line, value, true);
        if (option == "-o" || option == "--opened-ports")
            return take_port(line, value, false);
        const std::string shown = printable(option, 30);
        if (option == "-ts" || option == "--time-slot")
            server_.add(line, shown, Fate::no_equivalent, "it has no effect in c-lock either: a slot has 30 s");
        else if (option == "-a" || option == "--address")
            server_.add(line, shown, Fate::no_equivalent, "a service's ports are shut on all addresses of this host");
        else if (option == "--log-level")
            server_.add(line, shown, Fate::no_equivalent, "the log has every knock; xknockd -v has more");
        else
            server_.add(line, shown, Fate::not_understood, "it is no option of c-lock's server that is known here");
    }
    void take_secret(std::size_t line, std::string_view value) {
        if (secrets_ != 0 && value == seen_)
            return; // a variable, and its use
        seen_ = value;
        if (secrets_++ != 0)
            return; // one file, one secret: refused below
        device_.line = line;
        auto secret = code_secret(value);
        if (!secret) {
            refusal_ = value.empty() ? "the secret is not in this file: name the file that has its value"
                                     : "the secret is not the base32 of 16 to 64 bytes, and one that is shorter can be "
                                       "found out: give this person a new one (knockctl user add)";
            return;
        }
        device_.factor = *std::move(secret);
        server_.add(line, "secret", Fate::taken,
                    "the secret of the device's codes, so the authenticator stays as it is");
    }
    void take_port(std::size_t line, std::string_view value, bool is_protected) {
        const auto port = port_range(IpProtocol::tcp, value);
        const std::string shown = std::string(is_protected ? "protected port " : "opened port ") + printable(value, 20);
        if (!port || !port->is_single())
            return server_.add(line, shown, Fate::not_understood, "it is no port");
        if (is_protected) {
            device_.ports.push_back(*port);
            return server_.add(line, shown, Fate::taken, "a service of the user");
        }
        if (port->first < 1024)
            return server_.add(line, shown, Fate::taken,
                               "nothing to do: what is no service is open, and SYNs below 1024 do not count");
        server_.open_ports.push_back(port->first);
        server_.add(line, shown, Fate::taken, "c_lock.open_ports: SYNs to it do not spoil a sequence");
    }

    OldServer& server_;
    OldDevice device_;
    std::map<std::string, std::string_view> variables_;
    std::string refusal_;
    std::string_view seen_;
    std::size_t secrets_ = 0;
};

} // namespace

Result<OldServer> read_c_lock_server(std::string_view text, const std::string& file) {
    OldServer server;
    ClockReader reader(server);
    reader.read(text);
    if (reader.secrets() != 1)
        return not_of_kind(file, kClockKind, reader.secrets() == 0 ? "there is no --secret" : "there are two secrets",
                           "name the unit, the script or the environment file with the server's options, as \"c-lock "
                           "--secret ... -p 22\"");
    OldDevice device = reader.take();
    if (!reader.refusal().empty())
        server.leave_out_lines(1);
    if (!reader.refusal().empty())
        server.add(device.line, device.title, Fate::not_taken, reader.refusal());
    else
        server.devices.push_back(std::move(device));
    server.next.emplace_back("c-lock's users keep their client; \"knock-client sequence HOST --code\" sends the same "
                             "ports, and a packet of knock-client is safer than either");
    return server;
}

} // namespace xk::tools::takeover
