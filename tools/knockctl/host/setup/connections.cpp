// SPDX-License-Identifier: MIT
//
// Reads this host's connections, and when the processes that hold them began.
#include "protocol/base/entries.h"
#include "tools/knockctl/host/setup/proof.h"

#include <unistd.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

namespace xk::tools::setup {
namespace {

namespace fs = std::filesystem;

// The field "starttime" of /proc/PID/stat, the 20th behind the name in brackets.
std::optional<BootTime> process_begun(const fs::path& process) {
    std::ifstream in(process / "stat");
    const std::string text{std::istreambuf_iterator<char>(in), {}};
    std::istringstream fields(text.substr(std::min(text.rfind(')'), text.size() - (text.empty() ? 0 : 1)) + 1));
    std::string skip;
    for (int i = 0; i < 19; ++i)
        fields >> skip;
    long long ticks = 0;
    if (!(fields >> ticks))
        return std::nullopt;
    return BootTime(std::chrono::nanoseconds(ticks * (1'000'000'000LL / ::sysconf(_SC_CLK_TCK))));
}

// Adds when the oldest process began that has one of these sockets.
void add_processes(std::map<std::string, Connection*>& by_inode) {
    std::error_code code;
    for (const auto& process : entries_of("/proc", code)) {
        if (!std::isdigit(static_cast<unsigned char>(process.path().filename().string()[0])))
            continue;
        std::error_code gone; // a process may end while we look
        for (const auto& fd : entries_of(process.path() / "fd", gone)) {
            const auto found = by_inode.find(fs::read_symlink(fd.path(), gone).string());
            if (found == by_inode.end())
                continue;
            const auto begun = process_begun(process.path());
            auto& oldest = found->second->process;
            if (begun && (!oldest || *begun < *oldest))
                oldest = begun;
        }
    }
}

} // namespace

std::vector<Connection> read_connections() {
    std::vector<TableRow> rows;
    for (const char* const table : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
        std::ifstream in(table);
        for (TableRow& row : parse_connections({std::istreambuf_iterator<char>(in), {}}))
            rows.push_back(row);
    }
    std::vector<Connection> all;
    all.reserve(rows.size());
    std::map<std::string, Connection*> by_inode;
    for (const TableRow& row : rows) {
        all.push_back(row.connection);
        if (row.inode != 0)
            by_inode["socket:[" + std::to_string(row.inode) + "]"] = &all.back();
    }
    add_processes(by_inode);
    return all;
}

} // namespace xk::tools::setup
