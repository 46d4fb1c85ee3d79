// SPDX-License-Identifier: MIT
//
// What the file of another program's server says, in words of ours: devices with their users, listeners, and a report
// of every line. The readers know nothing of this host; plan.h joins what they found with the configuration.
#pragma once

#include "daemon/config/credential_file.h"
#include "daemon/config/user_file.h"
#include "protocol/service.h"
#include "tools/knockctl/host/users/wiped_text.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace xk::tools::takeover {

enum class Fate {
    taken,         // it is there afterwards
    no_equivalent, // nothing corresponds to it; the row says what takes its place
    not_taken,     // a user or a rule that would be wrong or unsafe here
    not_understood // nobody here knows what it says
};
std::string_view name_of(Fate fate);

// One row of the report. It never has a secret in it.
struct Row {
    std::size_t line = 0; // of the source; 0: of none
    std::string what;
    Fate fate = Fate::taken;
    std::string why;
};

// A user with one device. The plan gives it its id and its services.
struct OldDevice {
    std::size_t line = 0;          // where it begins
    std::string title;             // to call it by in the report
    std::string wanted_name;       // in the source, or made of it; need not be a name here
    config::UserFile user;         // rights, without name and services
    config::CredentialFile device; // without user and id
    std::vector<PortRange> ports;  // that it opened; none: everything, but for `except`
    std::vector<PortRange> except;
    WipedText key, factor; // content of the files; empty: a new key, no factor
};

struct OldServer {
    std::vector<OldDevice> devices;
    std::vector<Row> rows;
    std::optional<std::uint16_t> capyknock_port, fwknop_port; // of the listeners that are needed
    std::vector<std::uint16_t> open_ports;                    // for c_lock.open_ports
    std::vector<std::string> next;                            // what is left to do

    void add(std::size_t line, std::string what, Fate fate, std::string why) {
        rows.push_back({line, std::move(what), fate, std::move(why)});
    }
    // Nothing that was taken over from these lines is: their user is left out.
    void leave_out_lines(std::size_t first, std::size_t end = SIZE_MAX) {
        for (Row& row : rows)
            if (row.fate == Fate::taken && row.line >= first && row.line < end) {
                row.fate = Fate::not_taken;
                row.why = "its user is left out";
            }
    }
};

// Each of them reads one kind. An error where the file as a whole is none of its kind (Exit::configuration); a line or
// a user that cannot be taken over is a row. `file` is for errors.
Result<OldServer> read_capyknock_server(std::string_view text, const std::string& file);
Result<OldServer> read_c_lock_server(std::string_view text, const std::string& file);
Result<OldServer> read_hknock(std::string_view text, const std::string& file);
Result<OldServer> read_access_conf(std::string_view text, const std::string& file);
Result<OldServer> read_knockd_conf(std::string_view text, const std::string& file);

} // namespace xk::tools::takeover
