// SPDX-License-Identifier: GPL-3.0-or-later
// A small HTTP server on loopback for tests: each request is given to a function, which answers with raw
// text. Connections that it is to hang on stay open until the end.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <arpa/inet.h>
#include <csignal>
#include <sys/socket.h>
#include <unistd.h>

struct HttpRequest {
    std::string line, head, body; // "POST /token HTTP/1.1"
};

class HttpServer
{
  public:
    // What the function gives is sent as it is; an empty text hangs.
    using Handler = std::function<std::string(const HttpRequest &)>;

    explicit HttpServer(Handler handler) : handler_(std::move(handler))
    {
        sockaddr_in address = {};
        socklen_t length = sizeof address;
        signal(SIGPIPE, SIG_IGN);
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        bind(listener_, reinterpret_cast<sockaddr *>(&address), sizeof address);
        listen(listener_, 64);
        getsockname(listener_, reinterpret_cast<sockaddr *>(&address), &length);
        url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
        thread_ = std::thread([this] { accept_all(); });
    }
    ~HttpServer()
    {
        shutdown(listener_, SHUT_RDWR);
        thread_.join();
        {
            std::lock_guard<std::mutex> guard(lock_);
            for (int fd : fds_)
                shutdown(fd, SHUT_RDWR);
        }
        for (std::thread &one : serving_)
            one.join();
        for (int fd : fds_)
            close(fd);
        close(listener_);
    }

    static std::string answer(int status, const std::string &body, const std::string &head = "")
    {
        return "HTTP/1.1 " + std::to_string(status) +
               " Said\r\nContent-Length: " + std::to_string(body.size()) +
               "\r\nConnection: close\r\n" + head + "\r\n" + body;
    }

    std::vector<HttpRequest> requests()
    {
        std::lock_guard<std::mutex> guard(lock_);
        return requests_;
    }

    std::string url;

  private:
    void accept_all()
    {
        int fd;
        while ((fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0) {
            std::lock_guard<std::mutex> guard(lock_);
            fds_.push_back(fd);
            serving_.emplace_back([this, fd] { serve(fd); });
        }
    }

    static bool read_more(int fd, std::string *text)
    {
        char buffer[4096];
        ssize_t count = read(fd, buffer, sizeof buffer);
        if (count > 0)
            text->append(buffer, (size_t)count);
        return count > 0;
    }

    static size_t body_length(const std::string &head)
    {
        size_t at = head.find("Content-Length: ");
        return at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
    }

    void serve(int fd)
    {
        std::string text;
        size_t end;
        while ((end = text.find("\r\n\r\n")) == std::string::npos)
            if (!read_more(fd, &text))
                return;
        HttpRequest request;
        request.line = text.substr(0, text.find("\r\n"));
        request.head = text.substr(0, end);
        while (text.size() < end + 4 + body_length(request.head))
            if (!read_more(fd, &text))
                return;
        request.body = text.substr(end + 4);
        {
            std::lock_guard<std::mutex> guard(lock_);
            requests_.push_back(request);
        }
        std::string said = handler_(request);
        for (size_t sent = 0; sent < said.size();) {
            ssize_t count = write(fd, said.data() + sent, said.size() - sent);
            if (count <= 0)
                break;
            sent += (size_t)count;
        }
        if (!said.empty())
            shutdown(fd, SHUT_RDWR);
    }

    Handler handler_;
    int listener_;
    std::mutex lock_;
    std::vector<int> fds_;
    std::vector<HttpRequest> requests_;
    std::thread thread_;
    std::vector<std::thread> serving_;
};
