// SPDX-License-Identifier: MIT
// knockd.conf: sections of sequences. A fixed sequence is a password that everybody on the way can read, so none is
// taken over; what its command opened is.
#include "tools/knockctl/host/import/firewall_command.h"
#include "tools/knockctl/host/import/lines.h"
#include "tools/knockctl/host/import/old_server.h"

#include "protocol/base/duration.h"
#include "protocol/base/quote.h"

#include <algorithm>

namespace xk::tools::takeover {
namespace {

struct KnockdLine {
    std::size_t number;
    std::string key; // lower case
    std::string_view value;
};
struct KnockdSection {
    std::size_t line;
    std::string name;
    std::vector<KnockdLine> lines;
};

const char* knockd_reason(std::string_view key) {
    if (key == "sequence" || key == "one_time_sequences")
        return "a fixed sequence can be read by everybody on the way, and one of a list by whoever holds it back; mode "
               "sequence makes new ports for every half minute from the device's key";
    if (key == "seq_timeout")
        return "a sequence is good in its half minute";
    if (key == "tcpflags")
        return "a sequence is of SYNs or of datagrams";
    if (key == "target")
        return "sequences are heard at all addresses of this host";
    if (key == "stop_command" || key == "stop_command_6")
        return "a grant ends by itself; a service's on_close hook runs a command";
    return nullptr;
}

const char* knockd_option_reason(std::string_view key) {
    if (key == "logfile" || key == "usesyslog")
        return "the log is that of the unit xknockd: journalctl -u xknockd";
    if (key == "pidfile")
        return "systemd knows the daemon";
    if (key == "interface")
        return "knocks are heard on the \"interfaces\" of xknock.yaml";
    return nullptr;
}

class KnockdReader {
  public:
    explicit KnockdReader(OldServer& server) : server_(server) {}

    void read(const KnockdSection& section) {
        if (lower_case(section.name) == "options")
            return report(section, knockd_option_reason);
        OldDevice device;
        device.line = section.line;
        device.title = "[" + printable(section.name, 40) + "]";
        device.wanted_name = section.name;
        device.device.device = "sequence";
        device.user.modes = {authz::KnockMode::packet, authz::KnockMode::sequence};
        OpenedPorts opened;
        for (const KnockdLine& line : section.lines)
            if (is_opening(line.key))
                read_command(line, opened, device);
        read_lifetime(section, device);
        report(section, knockd_reason);
        if (device.ports.empty())
            server_.leave_out_lines(section.line);
        if (device.ports.empty())
            return server_.add(section.line, device.title, Fate::not_taken,
                               opened.closes ? "it closes what another one opens: grants end by themselves"
                                             : "what its command opens is not known: name the service, and knockctl "
                                               "user add its people");
        server_.devices.push_back(std::move(device));
        const std::size_t index = server_.devices.size() - 1;
        server_.add(section.line, server_.devices[index].title, Fate::taken,
                    "a user with a device for sequences that change, and for packets");
    }

  private:
    static bool is_opening(std::string_view key) {
        return key == "command" || key == "start_command" || key == "start_command_6" || key == "command_6";
    }
    void read_command(const KnockdLine& line, OpenedPorts& all, OldDevice& device) {
        const OpenedPorts opened = opened_by(line.value);
        all.closes |= opened.closes;
        std::string ports;
        for (const PortRange& port : opened.ports) {
            ports += (ports.empty() ? "" : ", ") + port.text();
            if (std::ranges::find(device.ports, port) == device.ports.end())
                device.ports.push_back(port);
        }
        if (!ports.empty())
            server_.add(line.number, line.key, Fate::taken,
                        ports + (opened.is_for_anybody ? ", which it opened for everybody: a grant is for one address"
                                                       : ", for the address that knocked"));
        if (opened.has_unknown)
            server_.add(line.number, line.key, Fate::not_understood,
                        "a part of it is no rule of iptables, nft, ufw or firewall-cmd that accepts ports of this "
                        "host: a service's on_open hook runs a command");
        else if (opened.closes && ports.empty())
            server_.add(line.number, line.key, Fate::no_equivalent, "a grant ends by itself");
    }
    void read_lifetime(const KnockdSection& section, OldDevice& device) {
        for (const KnockdLine& line : section.lines) {
            const auto seconds = line.key == "cmd_timeout" ? number_of(line.value) : std::nullopt;
            if (!seconds || *seconds == 0)
                continue;
            device.user.lifetime = device.user.max_lifetime = std::chrono::seconds(*seconds);
            server_.add(line.number, "cmd_timeout " + std::to_string(*seconds), Fate::taken,
                        "lifetime " + duration_text(std::chrono::seconds(*seconds)));
        }
    }
    void report(const KnockdSection& section, const char* (*reason)(std::string_view)) {
        for (const KnockdLine& line : section.lines) {
            const char* const why = reason(line.key);
            if (why)
                server_.add(line.number, line.key, Fate::no_equivalent, why);
            else if (!is_opening(line.key) && !(line.key == "cmd_timeout" && number_of(line.value).value_or(0) != 0))
                server_.add(line.number, printable(line.key, 40), Fate::not_understood,
                            "it is nothing of knockd.conf that is known here");
        }
    }

    OldServer& server_;
};

std::vector<KnockdSection> read_sections(std::string_view text, OldServer& server) {
    std::vector<KnockdSection> sections;
    for (const TextLine& line : lines_of(text)) {
        if (line.text.empty() || line.text.front() == '#' || line.text.front() == ';')
            continue;
        const auto equals = line.text.find('=');
        if (line.text.size() > kMostLine)
            server.add(line.number, "a line", Fate::not_understood, "it is too long");
        else if (line.text.front() == '[' && line.text.ends_with(']'))
            sections.push_back({line.number, std::string(trimmed(line.text.substr(1, line.text.size() - 2))), {}});
        else if (sections.empty())
            server.add(line.number, "a line", Fate::not_understood, "it stands before the first section");
        else if (equals == line.text.npos && lower_case(line.text) == "usesyslog")
            sections.back().lines.push_back({line.number, "usesyslog", {}});
        else if (equals == line.text.npos)
            server.add(line.number, "a line", Fate::not_understood, "it is not KEY = VALUE");
        else
            sections.back().lines.push_back(
                {line.number, lower_case(trimmed(line.text.substr(0, equals))), trimmed(line.text.substr(equals + 1))});
    }
    return sections;
}

} // namespace

Result<OldServer> read_knockd_conf(std::string_view text, const std::string& file) {
    OldServer server;
    const auto sections = read_sections(text, server);
    const bool has_sequence = std::ranges::any_of(sections, [](const KnockdSection& section) {
        return std::ranges::any_of(section.lines, [](const KnockdLine& line) {
            return line.key == "sequence" || line.key == "one_time_sequences";
        });
    });
    if (!has_sequence)
        return not_of_kind(file, "knockd", "no section has a sequence", "name its /etc/knockd.conf");
    KnockdReader reader(server);
    for (const KnockdSection& section : sections)
        reader.read(section);
    server.next.emplace_back("everybody who knew a sequence gets a device of their own: knockctl user add NAME "
                             "--service SERVICE. The users taken over stand for their sequence, for machines without a "
                             "client: \"knock-client sequence HOST --print\" prints the line to type");
    server.next.emplace_back("for packets in place of sequences: knock-client open HOST SERVICE");
    return server;
}

} // namespace xk::tools::takeover
