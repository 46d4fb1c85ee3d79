// SPDX-License-Identifier: MIT
#include <netinet/in.h> // before the kernel's own <linux/in.h>

#include "daemon/nft/answer.h"

namespace xk::nft {

Result<int> code_of(const nlmsghdr* end) {
    if (mnl_nlmsg_get_payload_len(end) < sizeof(int))
        return Error{"the kernel ended an answer without a code", {}};
    return *static_cast<const int*>(mnl_nlmsg_get_payload(end));
}

Result<std::optional<int>> read_sockets(std::span<const char> data, std::uint32_t sequence,
                                        const std::function<void(const inet_diag_msg&)>& visit) {
    int left = static_cast<int>(data.size());
    for (auto* h = reinterpret_cast<const nlmsghdr*>(data.data()); mnl_nlmsg_ok(h, left);
         h = mnl_nlmsg_next(h, &left)) {
        if (h->nlmsg_seq != sequence)
            continue;
        if (is_end(h)) {
            const auto code = code_of(h);
            return code ? Result<std::optional<int>>(*code) : code.error();
        }
        if (mnl_nlmsg_get_payload_len(h) < sizeof(inet_diag_msg))
            return Error{"the kernel's answer about a socket is cut", {}};
        visit(*static_cast<const inet_diag_msg*>(mnl_nlmsg_get_payload(h)));
    }
    return std::optional<int>();
}

} // namespace xk::nft
