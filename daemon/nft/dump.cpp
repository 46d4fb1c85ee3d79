// SPDX-License-Identifier: MIT
#include "daemon/nft/dump.h"

#include "daemon/nft/answer.h"

#include <linux/netfilter/nfnetlink.h>

namespace xk::nft {

Result<void> Dump::end(int code) {
    // ENOENT in the middle of a list is a change too: the table or set was deleted meanwhile.
    const bool changed = code == -EINTR || code == -EAGAIN || (code == -ENOENT && !messages_.empty());
    if (changed)
        interrupted_ = true;
    if (changed || code == 0 || code == -ENOENT)
        return {};
    return os_error_of(code, "nf_tables refused a dump",
                       code == -EPERM ? "xknockd needs CAP_NET_ADMIN and a kernel with nf_tables" : "");
}

void Dump::check_generation(const nlmsghdr* message) {
    const std::uint16_t generation = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message))->res_id;
    if (generation_.value_or(generation) != generation)
        interrupted_ = true;
    generation_ = generation;
}

Result<bool> Dump::add_datagram(std::span<const char> data) {
    int left = static_cast<int>(data.size());
    for (auto* h = reinterpret_cast<const nlmsghdr*>(data.data()); mnl_nlmsg_ok(h, left);
         h = mnl_nlmsg_next(h, &left)) {
        if (h->nlmsg_seq != sequence_)
            continue;
        if (h->nlmsg_flags & NLM_F_DUMP_INTR)
            interrupted_ = true;
        if (is_end(h)) {
            const auto code = code_of(h);
            if (!code)
                return code.error();
            if (auto fine = end(*code); !fine)
                return fine.error();
            return true;
        }
        if (mnl_nlmsg_get_payload_len(h) < sizeof(nfgenmsg))
            return Error{"a message of nf_tables is cut", {}};
        check_generation(h);
        messages_.emplace_back(reinterpret_cast<const char*>(h), h->nlmsg_len);
    }
    return false;
}

void Dump::for_each_message(const std::function<void(const nlmsghdr*)>& visit) const {
    for (const std::string& message : messages_)
        visit(reinterpret_cast<const nlmsghdr*>(message.data()));
}

Result<Dump> repeat_until_whole(const std::function<Result<Dump>()>& request_dump) {
    for (int i = 0; i < kMostDumps; ++i) {
        auto dump = request_dump();
        if (!dump || !dump->was_interrupted())
            return dump;
    }
    return Error{"nf_tables changes faster than it can be listed", {}};
}

} // namespace xk::nft
