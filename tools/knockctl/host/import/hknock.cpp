// SPDX-License-Identifier: MIT
// hknock's .env, which has its secret, and lines of hknock.py, which has the rest ("PORT_TO_OPEN = 50000").
#include "tools/knockctl/host/import/lines.h"
#include "tools/knockctl/host/import/old_server.h"

#include "protocol/base/quote.h"

namespace xk::tools::takeover {
namespace {

std::string_view env_value(std::string_view text) {
    text = trimmed(text);
    if (text.empty() || (text.front() != '"' && text.front() != '\''))
        return trimmed(text.substr(0, text.find(" #")));
    const auto end = text.find(text.front(), 1);
    return end == text.npos ? std::string_view() : text.substr(1, end - 1);
}

// A constant of hknock.py: whether it is known, and what becomes of it.
const char* reason_of_constant(std::string_view key) {
    if (key == "PORTS_SEQUENCE")
        return "its ports are the same for everybody and for ever; mode handshake takes the place of all three steps";
    if (key == "IP_TO_KNOCK" || key == "TIMEOUT_TO_VALIDATE" || key == "POST_SEQ_DELAY")
        return "it is the client's: the profile names the host, and nothing waits";
    if (key == "MSG_ENCODING")
        return "knocks have one form";
    return nullptr;
}

class HknockReader {
  public:
    explicit HknockReader(OldServer& server) : server_(server) {
        device_.title = "API_SECRET";
        device_.device.device = "hknock";
        device_.device.factor = FactorKind::hotp;
        device_.device.digits = 6;
        device_.user.modes = {authz::KnockMode::packet, authz::KnockMode::handshake};
    }
    void read(const TextLine& line) {
        std::string_view text = line.text;
        if (text.empty() || text.front() == '#')
            return;
        if (text.size() > kMostLine)
            return server_.add(line.number, "a line", Fate::not_understood, "it is too long");
        if (text.starts_with("export "))
            text.remove_prefix(7);
        const auto equals = text.find('=');
        const std::string_view key = trimmed(text.substr(0, equals));
        if (equals == text.npos || key.empty())
            return server_.add(line.number, "a line", Fate::not_understood, "it is not NAME=VALUE");
        take(line.number, key, env_value(text.substr(equals + 1)));
    }
    std::size_t secrets() const { return secrets_; }
    void finish() {
        if (!refusal_.empty())
            server_.leave_out_lines(1);
        if (!refusal_.empty())
            server_.add(device_.line, device_.title, Fate::not_taken, refusal_);
        else
            server_.devices.push_back(std::move(device_));
    }

  private:
    void take(std::size_t line, std::string_view key, std::string_view value) {
        if (key == "API_SECRET")
            return take_secret(line, value);
        if (key == "PORT_TO_OPEN") {
            const auto port = port_range(IpProtocol::tcp, value);
            if (!port || !port->is_single())
                return server_.add(line, "PORT_TO_OPEN", Fate::not_understood, "it is no port");
            device_.ports.push_back(*port);
            return server_.add(line, "PORT_TO_OPEN " + printable(value, 10), Fate::taken, "a service of the user");
        }
        const bool is_counter = lower_case(key).find("counter") != std::string::npos;
        const char* const why = is_counter ? "hknock counts nothing: its counter is the challenge. A device of ours "
                                             "begins at 0 and looks up to a thousand codes ahead"
                                           : reason_of_constant(key);
        server_.add(line, printable(key, 40), why ? Fate::no_equivalent : Fate::not_understood,
                    why ? why : "it is no setting of hknock that is known here");
    }
    void take_secret(std::size_t line, std::string_view value) {
        ++secrets_;
        device_.line = line;
        auto secret = code_secret(value);
        if (!secret) {
            refusal_ =
                "it is not the base32 of 16 to 64 bytes; make a new device: knockctl user add NAME --factor hotp";
            return;
        }
        device_.factor = *std::move(secret);
        server_.add(line, "API_SECRET", Fate::taken, "the secret of the device's codes, with counter 0");
    }

    OldServer& server_;
    OldDevice device_;
    std::string refusal_;
    std::size_t secrets_ = 0;
};

} // namespace

Result<OldServer> read_hknock(std::string_view text, const std::string& file) {
    OldServer server;
    HknockReader reader(server);
    for (const TextLine& line : lines_of(text))
        reader.read(line);
    if (reader.secrets() != 1)
        return not_of_kind(file, "hknock",
                           reader.secrets() == 0 ? "there is no API_SECRET" : "API_SECRET is there twice",
                           "name its .env");
    reader.finish();
    server.add(
        0, "hknock's packets", Fate::no_equivalent,
        "they are not accepted: whoever hears one knows a challenge and its code. knock-client's handshake takes "
        "their place");
    server.next.emplace_back("hknock's secret was used with codes that anybody could hear: a new one is better "
                             "(knockctl user rotate)");
    server.next.emplace_back("handshakes need a drop-in of the unit: see Handshake in modes.md");
    return server;
}

} // namespace xk::tools::takeover
