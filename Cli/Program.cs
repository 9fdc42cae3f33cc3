Console.WriteLine("mellum2");
