# MODE PORT [CERT KEY] | [CA]: see peers_test.go.
require 'net/http'
require 'openssl'
mode, port, first, second = ARGV
context = OpenSSL::SSL::SSLContext.new
if %w[http echo].include? mode
  context.cert = OpenSSL::X509::Certificate.new(File.read(first))
  context.key = OpenSSL::PKey.read(File.read(second))
  listener = TCPServer.new('127.0.0.1', port.to_i)
  loop do
    raw = listener.accept
    Thread.new(raw) do |r|
      s = OpenSSL::SSL::SSLSocket.new(r, context)
      s.sync_close = true
      s.accept
      if mode == 'echo'
        s.write(s.read)
      else
        line = s.gets until line == "\r\n" || s.eof?
        s.write("HTTP/1.0 200 OK\r\n\r\nhello") if line == "\r\n"
      end
      s.close
    rescue StandardError => e
      warn e
      r.close
    end
  end
elsif mode == 'get'
  http = Net::HTTP.new('localhost', port.to_i)
  http.use_ssl = true
  http.ca_file = first
  print http.get('/').body
else
  context.ca_file = first
  context.verify_mode = OpenSSL::SSL::VERIFY_PEER
  s = OpenSSL::SSL::SSLSocket.new(TCPSocket.new('127.0.0.1', port.to_i), context)
  s.sync_close = true
  s.hostname = 'localhost'
  s.connect
  # No half close: there is no call for it.
  s.write($stdin.binmode.read)
  $stdout.binmode.write(s.read)
  s.close
end
